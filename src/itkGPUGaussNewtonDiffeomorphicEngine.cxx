// SPDX-License-Identifier: Apache-2.0
#include "itkGPUGaussNewtonDiffeomorphicEngine.h"

#include "itkGPUDiffeomorphicEngineImages.h"

#include "Operators/JacobianDeterminant.h"
#include "Operators/RefineInverse.h"
#include "Solvers/GaussNewton.h"
#include "Solvers/PeriodicDomain.h"

#include <algorithm>

namespace itk
{
using namespace facade;

namespace
{
using Facade = GPUGaussNewtonDiffeomorphicEngine;

engine::SpectralNorm
ToEngine(Facade::NormEnum norm)
{
  switch (norm)
  {
    case Facade::NormEnum::L2:
      return engine::SpectralNorm::L2;
    case Facade::NormEnum::H1Seminorm:
      return engine::SpectralNorm::H1Seminorm;
    case Facade::NormEnum::H2Seminorm:
      return engine::SpectralNorm::H2Seminorm;
    case Facade::NormEnum::H3Seminorm:
      return engine::SpectralNorm::H3Seminorm;
    case Facade::NormEnum::H1:
      return engine::SpectralNorm::H1;
    case Facade::NormEnum::H2:
      return engine::SpectralNorm::H2;
    case Facade::NormEnum::H3:
      return engine::SpectralNorm::H3;
  }
  engine::ThrowError("unknown norm ", static_cast<int>(norm));
}

engine::KrylovForcing
ToEngine(Facade::ForcingEnum forcing)
{
  switch (forcing)
  {
    case Facade::ForcingEnum::Superlinear:
      return engine::KrylovForcing::Superlinear;
    case Facade::ForcingEnum::Quadratic:
      return engine::KrylovForcing::Quadratic;
    case Facade::ForcingEnum::Constant:
      return engine::KrylovForcing::Constant;
  }
  engine::ThrowError("unknown forcing ", static_cast<int>(forcing));
}

engine::TransportKind
ToEngine(Facade::TransportEnum transport)
{
  switch (transport)
  {
    case Facade::TransportEnum::Map:
      return engine::TransportKind::Map;
    case Facade::TransportEnum::Image:
      return engine::TransportKind::Image;
  }
  engine::ThrowError("unknown transport ", static_cast<int>(transport));
}

engine::GaussNewtonPreconditioner
ToEngine(Facade::PreconditionerEnum preconditioner)
{
  switch (preconditioner)
  {
    case Facade::PreconditionerEnum::Automatic:
      return engine::GaussNewtonPreconditioner::Automatic;
    case Facade::PreconditionerEnum::InverseRegularization:
      return engine::GaussNewtonPreconditioner::InverseRegularization;
    case Facade::PreconditionerEnum::ZeroVelocity:
      return engine::GaussNewtonPreconditioner::ZeroVelocity;
  }
  engine::ThrowError("unknown preconditioner ", static_cast<int>(preconditioner));
}

engine::GaussNewtonParameters
ToEngine(const Facade::Parameters & parameters, const Facade::Problem & problem)
{
  engine::GaussNewtonParameters result;
  result.metric.kind = ToMetricKind(parameters.metric);
  result.metric.mutualInformation.numberOfBins = parameters.numberOfBins;
  std::copy(parameters.radius.begin(), parameters.radius.end(), result.metric.lncc.radius);
  result.metric.lncc.varianceFloor = static_cast<float>(parameters.varianceFloor);
  std::copy(problem.spacing.begin(), problem.spacing.end(), result.spacing);
  result.norm = ToEngine(parameters.norm);
  result.weight = parameters.weight;
  result.divergenceWeight = parameters.divergenceWeight;
  result.timeSteps = parameters.timeSteps;
  result.segments = parameters.segments;
  result.transport = ToEngine(parameters.transport);
  result.minimumJacobian = parameters.minimumJacobian;
  result.gradientReduction = parameters.gradientReduction;
  result.forcing = ToEngine(parameters.forcing);
  result.krylovTolerance = parameters.krylovTolerance;
  result.krylovIterations = parameters.krylovIterations;
  result.preconditioner = ToEngine(parameters.preconditioner);
  result.initialWeight = parameters.initialWeight;
  for (const auto & level : parameters.levels)
  {
    engine::GaussNewtonLevel each;
    static_cast<engine::SolverLevel &>(each) = ToSolverLevel(level);
    result.levels.push_back(each);
  }
  return result;
}

Facade::NewtonReport
ToNewtonReport(const engine::GaussNewtonLevelReport & level)
{
  Facade::NewtonReport report;
  report.newtonSteps = std::max(0, static_cast<int>(level.gradientNorms.size()) - 1);
  report.hessianProducts = level.hessianProducts;
  report.innerProducts = level.innerProducts;
  report.evaluations = level.evaluations;
  report.weight = level.weight;
  report.initialGradientNorm = level.initialGradientNorm;
  report.gradientNorms = level.gradientNorms;
  return report;
}

/** The fields that the solver fills, on its domain, and their way to the original grid. */
class ResultFields
{
public:
  ResultFields(const engine::Device & device, const engine::PeriodicDomain & domain, bool hasInverse, int velocityComponents)
    : m_Device(device)
    , m_Domain(domain)
    , m_Values(domain.lattice.NumberOfVoxels())
    , m_Displacement(device, 3 * m_Values)
    , m_Inverse(device, hasInverse ? 3 * m_Values : 0)
    , m_Velocity(device, velocityComponents * m_Values)
  {
    displacement = engine::Field(m_Displacement.Data(), domain.lattice, 3);
    inverse = hasInverse ? engine::Field(m_Inverse.Data(), domain.lattice, 3) : engine::Field();
    velocity = velocityComponents > 0 ? engine::Field(m_Velocity.Data(), domain.lattice, velocityComponents) : engine::Field();
  }

  static std::size_t
  Bytes(const engine::PeriodicDomain & domain, bool hasInverse, int velocityComponents)
  {
    return sizeof(float) * static_cast<std::size_t>((hasInverse ? 6 : 3) + velocityComponents) *
           static_cast<std::size_t>(domain.lattice.NumberOfVoxels());
  }

  void
  Crop()
  {
    if (m_Domain.IsEnlarged())
    {
      this->Crop(displacement, m_Displacement);
      this->Crop(inverse, m_Inverse);
      this->Crop(velocity, m_Velocity);
    }
  }

  engine::Field displacement;
  engine::Field inverse;  ///< absent if there is none
  engine::Field velocity; ///< likewise

private:
  void
  Crop(engine::Field & field, engine::Buffer<float> & memory)
  {
    if (field)
    {
      engine::Buffer<float> smaller(m_Device, field.components * m_Domain.original.NumberOfVoxels());
      const engine::Field   output(smaller.Data(), m_Domain.original, field.components);
      engine::CropToOriginal(m_Device, m_Domain, field, output);
      m_Device.Synchronize();
      memory = std::move(smaller);
      field = output;
    }
  }

  engine::Device         m_Device;
  engine::PeriodicDomain m_Domain;
  std::int64_t           m_Values;
  engine::Buffer<float>  m_Displacement;
  engine::Buffer<float>  m_Inverse;
  engine::Buffer<float>  m_Velocity;
};

/** What is left of the distance; 0 where it has no lower bound to measure it from. */
double
RelativeMismatch(Facade::Engine::MetricEnum metric, double before, double after)
{
  using MetricEnum = Facade::Engine::MetricEnum;
  const double offset = metric == MetricEnum::LocalNormalizedCrossCorrelation ? 1.0 : 0.0;
  const bool   isBounded = metric != MetricEnum::MutualInformation;
  return isBounded && before + offset > 0.0 ? (after + offset) / (before + offset) : 0.0;
}
} // namespace

Facade::Result
GPUGaussNewtonDiffeomorphicEngine::Register(const std::string &              deviceName,
                                            const Problem &                  problem,
                                            const Parameters &               parameters,
                                            const Engine::ProgressCallback & progress)
{
  return Guard([&]() -> Result {
    auto                          start = Clock::now();
    const engine::Device          device = engine::Device::Open(deviceName);
    ProblemImages                 images(problem);
    const engine::Lattice         fixedLattice = images.Get().fixed.lattice;
    engine::GaussNewtonParameters settings = ToEngine(parameters, problem);
    settings.metric.weights = images.Weights();
    const bool hasInverse = static_cast<bool>(problem.inverseDisplacement);
    const bool hasVelocity = !problem.velocities.empty();
    const int  velocityComponents = hasVelocity ? 3 * parameters.segments : 0;
    if (hasVelocity && problem.velocities.size() != static_cast<std::size_t>(parameters.segments))
    {
      engine::ThrowError("there is room for ", problem.velocities.size(), " velocities of ", parameters.segments, " segments");
    }

    // Says no before the first large allocation, and again when the images have told the size of the domain.
    engine::PeriodicDomain domain;
    domain.original = domain.lattice = fixedLattice;
    RequireMemory(device,
                  images.Bytes() + ResultFields::Bytes(domain, hasInverse, velocityComponents) +
                    engine::GaussNewtonSolver(device, images.Get(), settings).RequiredBytes(),
                  fixedLattice);
    Result result;
    result.device = device.Name();
    result.deviceDescription = device.Description();
    result.prepareSeconds = SecondsSince(start);

    start = Clock::now();
    device.ResetPeak();
    images.Upload(device);
    result.uploadSeconds = SecondsSince(start);

    start = Clock::now();
    domain = engine::PlanPeriodicDomain(
      device,
      images.Get(),
      engine::PeriodicPadding{ parameters.padding },
      std::vector<engine::PyramidLevel>(settings.levels.begin(), settings.levels.end()));
    const engine::EnlargedProblem enlarged(device, images.Get(), domain);
    engine::GaussNewtonSolver     solver(device, enlarged.Get(), settings);
    if (domain.IsEnlarged())
    {
      RequireMemory(device, ResultFields::Bytes(domain, hasInverse, velocityComponents) + solver.RequiredBytes(), domain.lattice);
    }
    std::copy_n(domain.lattice.size, 3, result.domainSize.begin());
    ResultFields                        fields(device, domain, hasInverse, velocityComponents);
    engine::GaussNewtonSolver::Callback callback;
    if (progress)
    {
      callback = [&](const engine::SolverProgress & state) { return progress(ToProgress(state)); };
    }
    engine::GaussNewtonReport report;
    {
      const engine::PagePreparation pages(device, ToHostBlocks(problem, fixedLattice));
      report = solver.Run(fields.displacement, callback, fields.velocity, fields.inverse);
    }
    result.levels = ToLevelReports({ report.levels.begin(), report.levels.end() });
    std::transform(report.levels.begin(), report.levels.end(), std::back_inserter(result.newton), ToNewtonReport);
    result.initialMetricValue = report.initialMetricValue;
    result.finalMetricValue = report.finalMetricValue;
    result.relativeMismatch = RelativeMismatch(parameters.metric, report.initialMetricValue, report.finalMetricValue);
    result.minimumJacobian = report.minimumJacobian;
    result.foldedVoxels = static_cast<std::size_t>(report.foldedVoxels);
    result.cancelled = report.cancelled;
    if (!report.cancelled)
    {
      const engine::Buffer<double> scalars(device, 2);
      double                       numbers[2];
      fields.Crop();
      if (domain.IsEnlarged())
      {
        engine::JacobianDeterminant(device, engine::Matrix3(), fields.displacement, engine::Field(), scalars.Data());
        device.CopyToHost(numbers, scalars.Data(), sizeof(numbers));
        result.minimumJacobian = numbers[0];
        result.foldedVoxels = static_cast<std::size_t>(numbers[1]);
      }
      if (hasInverse)
      {
        // Of the map as users see it, which continues beyond the grid by its edge values.
        engine::RefineInverseParameters inversion;
        inversion.outside = engine::Outside::Clamp;
        engine::RefineInverse(device, inversion, fields.displacement, fields.inverse, scalars.Data());
        device.CopyToHost(numbers, scalars.Data(), sizeof(numbers));
        result.inverseMeanResidual = numbers[0] / static_cast<double>(fixedLattice.NumberOfVoxels());
        result.inverseMaximumResidual = numbers[1];
      }
    }
    result.seconds = SecondsSince(start);

    start = Clock::now();
    if (!report.cancelled)
    {
      if (problem.displacement)
      {
        DownloadVectors(device, fields.displacement, problem.displacement);
      }
      if (hasInverse)
      {
        DownloadVectors(device, fields.inverse, problem.inverseDisplacement);
      }
      for (int segment = 0; segment < velocityComponents / 3; ++segment)
      {
        DownloadVectors(device,
                        engine::ConstField(fields.velocity.Component(3 * segment), fixedLattice, 3),
                        problem.velocities[segment]);
      }
    }
    result.downloadSeconds = SecondsSince(start);
    result.peakDeviceBytes = device.PeakBytes();
    return result;
  });
}

void
GPUGaussNewtonDiffeomorphicEngine::IntegrateVelocity(const std::string &                       deviceName,
                                                     const std::vector<Engine::InputVectors> & velocities,
                                                     const Engine::SizeType &                  size,
                                                     int                                       timeSteps,
                                                     bool                                      inverse,
                                                     const Engine::OutputVectors &             output)
{
  Guard([&] {
    const engine::Device  device = engine::Device::Open(deviceName);
    const engine::Lattice lattice = ToLattice(size, "the velocity");
    if (velocities.empty())
    {
      engine::ThrowError("a velocity is missing");
    }
    engine::VelocityFlowParameters parameters;
    parameters.timeSteps = timeSteps;
    parameters.segments = static_cast<int>(velocities.size());
    engine::VelocityFlow::Check(parameters);
    const engine::Buffer<float> velocityBuffer(device, 3 * parameters.segments * lattice.NumberOfVoxels());
    const engine::Field         velocity(velocityBuffer.Data(), lattice, 3 * parameters.segments);
    for (int segment = 0; segment < parameters.segments; ++segment)
    {
      const auto one = UploadVectors(device, velocities[segment], lattice);
      device.Copy(velocity.Component(3 * segment), one.Data(), one.Bytes());
      device.Synchronize();
    }
    const engine::Buffer<float> displacementBuffer(device, 3 * lattice.NumberOfVoxels());
    const engine::Field         displacement(displacementBuffer.Data(), lattice, 3);
    {
      const engine::Buffer<float> memory(device, engine::VelocityFlow::MemoryFloats(device, lattice, parameters));
      engine::VelocityFlow        flow(device, lattice, parameters, memory.Data());
      flow.Integrate(velocity, displacement, inverse);
      device.Synchronize();
    }
    DownloadVectors(device, displacement, output);
  });
}
} // namespace itk
