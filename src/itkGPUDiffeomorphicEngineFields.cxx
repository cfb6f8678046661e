// SPDX-License-Identifier: Apache-2.0
// The functions of the facade that work on displacement fields.
#include "itkGPUDiffeomorphicEngineTransfer.h"

#include "Operators/Compose.h"
#include "Operators/Exponential.h"
#include "Operators/JacobianDeterminant.h"
#include "Operators/RefineInverse.h"

#include <cmath>

namespace itk
{
using namespace facade;

namespace
{
engine::Outside
ToOutside(bool clampOutside)
{
  return clampOutside ? engine::Outside::Clamp : engine::Outside::Value;
}
} // namespace

void
GPUDiffeomorphicEngine::JacobianDeterminant(const std::string &  deviceName,
                                            const InputVectors & displacement,
                                            const SizeType &     size,
                                            const MatrixType &   toIndex,
                                            const OutputPixels & output,
                                            const SizeType &     outputStart,
                                            const SizeType &     outputSize)
{
  Guard([&] {
    const engine::Device  device = engine::Device::Open(deviceName);
    const engine::Lattice lattice = ToLattice(size, "the displacement field");
    const engine::Lattice block = ToLattice(outputSize, "the output");
    const auto            u = UploadVectors(device, displacement, lattice);
    DownloadImage(device, lattice, output, outputStart, block, [&](const engine::Field & determinant) {
      engine::JacobianDeterminant(
        device, ToMatrix(toIndex), engine::ConstField(u.Data(), lattice, 3), determinant);
    });
  });
}

void
GPUDiffeomorphicEngine::JacobianDeterminant(const std::string &  device,
                                            const InputVectors & displacement,
                                            const SizeType &     size,
                                            const MatrixType &   toIndex,
                                            const OutputPixels & output)
{
  JacobianDeterminant(device, displacement, size, toIndex, output, SizeType{ { 0, 0, 0 } }, size);
}

std::array<double, 2>
GPUDiffeomorphicEngine::Invert(const std::string &         deviceName,
                               const InputVectors &        displacement,
                               const SizeType &            size,
                               const InversionParameters & parameters,
                               const OutputVectors &       inverse)
{
  return Guard([&]() -> std::array<double, 2> {
    const engine::Device         device = engine::Device::Open(deviceName);
    const engine::Lattice        lattice = ToLattice(size, "the displacement field");
    const auto                   u = UploadVectors(device, displacement, lattice);
    const engine::Buffer<float>  workspace(device, u.Count());
    const engine::Buffer<float>  result = parameters.initialEstimate
                                            ? UploadVectors(device, parameters.initialEstimate, lattice)
                                            : engine::Buffer<float>(device, u.Count());
    const engine::Field          inverseField(result.Data(), lattice, 3);
    engine::InvertParameters     settings;
    settings.maximumIterations = parameters.maximumIterations;
    settings.meanTolerance = parameters.meanTolerance;
    settings.maximumTolerance = parameters.maximumTolerance;
    settings.outside = ToOutside(parameters.clampOutside);
    settings.useInitialEstimate = static_cast<bool>(parameters.initialEstimate);
    settings.toIndex = ToMatrix(parameters.toIndex);
    settings.zeroBoundaryAxes = parameters.zeroBoundaryAxes;
    settings.stepAfterTolerance = parameters.stepAfterTolerance;
    const auto residual = engine::Invert(device,
                                         settings,
                                         engine::ConstField(u.Data(), lattice, 3),
                                         inverseField,
                                         engine::Field(workspace.Data(), lattice, 3));
    DownloadVectors(device, inverseField, inverse);
    return { { residual.meanResidual, residual.maximumResidual } };
  });
}

std::array<double, 2>
GPUDiffeomorphicEngine::InvertByNewton(const std::string &   deviceName,
                                       const InputVectors &  displacement,
                                       const SizeType &      size,
                                       const OutputVectors & inverse)
{
  return Guard([&]() -> std::array<double, 2> {
    const engine::Device            device = engine::Device::Open(deviceName);
    const engine::Lattice           lattice = ToLattice(size, "the displacement field");
    const auto                      u = UploadVectors(device, displacement, lattice);
    const engine::Buffer<float>     workspace(device, u.Count());
    const engine::Buffer<double>    scalars(device, 2);
    const engine::Buffer<float>     result(device, u.Count());
    const engine::Field             inverseField(result.Data(), lattice, 3);
    engine::RefineInverseParameters settings;
    settings.outside = engine::Outside::Clamp;
    const auto residual = engine::InvertByNewton(device,
                                                 settings,
                                                 engine::ConstField(u.Data(), lattice, 3),
                                                 inverseField,
                                                 engine::Field(workspace.Data(), lattice, 3),
                                                 scalars.Data());
    DownloadVectors(device, inverseField, inverse);
    return { { residual.meanResidual, residual.maximumResidual } };
  });
}

void
GPUDiffeomorphicEngine::Compose(const std::string &   deviceName,
                                const InputVectors &  outer,
                                const SizeType &      outerSize,
                                const InputVectors &  inner,
                                const SizeType &      innerSize,
                                const SizeType &      innerStart,
                                const OutputVectors & output)
{
  Guard([&] {
    const engine::Device        device = engine::Device::Open(deviceName);
    const engine::Lattice       outerLattice = ToLattice(outerSize, "the outer displacement field");
    const engine::Lattice       innerLattice = ToLattice(innerSize, "the inner displacement field");
    const auto                  outerBuffer = UploadVectors(device, outer, outerLattice);
    const auto                  innerBuffer = UploadVectors(device, inner, innerLattice);
    const engine::Buffer<float> result(device, innerBuffer.Count());
    const engine::Field         resultField(result.Data(), innerLattice, 3);
    AffineType                  shift = IdentityAffine();
    for (int d = 0; d < 3; ++d)
    {
      shift[d][3] = innerStart[d];
    }
    engine::ComposeParameters parameters;
    parameters.affine = ToAffineMap(shift);
    engine::Compose(device,
                    parameters,
                    engine::ConstField(outerBuffer.Data(), outerLattice, 3),
                    engine::ConstField(innerBuffer.Data(), innerLattice, 3),
                    resultField);
    DownloadVectors(device, resultField, output);
  });
}

void
GPUDiffeomorphicEngine::Compose(const std::string &   device,
                                const InputVectors &  outer,
                                const InputVectors &  inner,
                                const SizeType &      size,
                                const OutputVectors & output)
{
  Compose(device, outer, size, inner, size, SizeType{ { 0, 0, 0 } }, output);
}

void
GPUDiffeomorphicEngine::Exponential(const std::string &   deviceName,
                                    const InputVectors &  velocity,
                                    const SizeType &      size,
                                    int                   squarings,
                                    double                scale,
                                    bool                  clampOutside,
                                    const OutputVectors & output)
{
  Guard([&] {
    if (squarings < 0)
    {
      engine::ThrowError("Exponential: ", squarings, " squarings: a number >= 0 is needed");
    }
    if (!std::isfinite(scale))
    {
      engine::ThrowError("Exponential: the scale is ", scale);
    }
    const engine::Device          device = engine::Device::Open(deviceName);
    const engine::Lattice         lattice = ToLattice(size, "the velocity field");
    const auto                    v = UploadVectors(device, velocity, lattice);
    const engine::Buffer<float>   result(device, v.Count());
    const engine::Buffer<float>   workspace(device, v.Count());
    const engine::Field           resultField(result.Data(), lattice, 3);
    engine::ExponentialParameters parameters;
    parameters.squarings = squarings;
    parameters.scale = static_cast<float>(scale);
    parameters.outside = ToOutside(clampOutside);
    engine::Exponential(device,
                        parameters,
                        engine::ConstField(v.Data(), lattice, 3),
                        resultField,
                        engine::Field(workspace.Data(), lattice, 3));
    DownloadVectors(device, resultField, output);
  });
}
} // namespace itk
