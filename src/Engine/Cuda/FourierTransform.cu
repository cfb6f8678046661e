// SPDX-License-Identifier: Apache-2.0
// Floor per voxel and direction: 8 bytes, real in and complex out once; cuFFT takes about one pass over the spectrum per axis,
// 3 x 8 bytes. Out of place, since fields have rows without padding: in place would spare 4 bytes of memory per voxel and
// cost 8 of traffic to pad. cuFFT takes real numbers at addresses of complex ones only: where the number of voxels is odd,
// every second component goes through a copy, 8 bytes of traffic and 4 of workspace.
#include "../Operators/FourierPlans.h"

#include "FourierLibrary.h"
#include "Launch.h"

namespace itk
{
namespace engine
{
namespace cuda
{
namespace
{
static_assert(sizeof(Complex) == sizeof(cufftComplex), "layout of complex numbers");

void
CheckFourier(cufftResult status, const char * call, const Device & device)
{
  if (status != CUFFT_SUCCESS)
  {
    ThrowError(call, " failed on ", device.Name(), ": cuFFT error ", static_cast<int>(status));
  }
}

cufftComplex *
AsComplex(Complex * values)
{
  return reinterpret_cast<cufftComplex *>(values);
}

/** One plan of cuFFT on the device's stream, whose work area is given with each execution. */
class Plan
{
public:
  Plan(const Device & device, const FourierLibrary & library, const std::vector<int> & sizes, cufftType type)
    : m_Device(device)
    , m_Library(library)
  {
    CheckFourier(library.create(&m_Handle), "cufftCreate", device);
    try
    {
      CheckFourier(library.setAutoAllocation(m_Handle, 0), "cufftSetAutoAllocation", device);
      std::vector<int> n(sizes);
      CheckFourier(library.makePlan(m_Handle,
                                    static_cast<int>(n.size()),
                                    n.data(),
                                    nullptr,
                                    1,
                                    0,
                                    nullptr,
                                    1,
                                    0,
                                    type,
                                    1,
                                    &m_WorkBytes),
                   "cufftMakePlanMany",
                   device);
      CheckFourier(library.setStream(m_Handle, static_cast<cudaStream_t>(device.Stream())), "cufftSetStream", device);
    }
    catch (...)
    {
      static_cast<void>(library.destroy(m_Handle));
      throw;
    }
  }
  Plan(const Plan &) = delete;
  Plan &
  operator=(const Plan &) = delete;
  ~Plan()
  {
    // Work that uses the plan may be under way.
    if (cudaSetDevice(m_Device.Ordinal()) == cudaSuccess)
    {
      static_cast<void>(cudaStreamSynchronize(static_cast<cudaStream_t>(m_Device.Stream())));
      static_cast<void>(m_Library.destroy(m_Handle));
    }
  }

  std::size_t
  WorkBytes() const
  {
    return m_WorkBytes;
  }

  cufftHandle
  With(float * workspace) const
  {
    CheckFourier(m_Library.setWorkArea(m_Handle, workspace), "cufftSetWorkArea", m_Device);
    return m_Handle;
  }

private:
  Device                 m_Device;
  const FourierLibrary & m_Library;
  cufftHandle            m_Handle = 0;
  std::size_t            m_WorkBytes = 0;
};

/** Between numbers and complex numbers. */
__global__ void
__launch_bounds__(StreamThreads)
  MakeComplexKernel(const float * __restrict__ values, Complex * __restrict__ result, std::int64_t count)
{
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * StreamThreads;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * StreamThreads + threadIdx.x; i < count; i += stride)
  {
    result[i] = Complex{ values[i], 0.0f };
  }
}

__global__ void
__launch_bounds__(StreamThreads)
  TakeRealKernel(const Complex * __restrict__ values, float * __restrict__ result, std::int64_t count)
{
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * StreamThreads;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * StreamThreads + threadIdx.x; i < count; i += stride)
  {
    result[i] = values[i].real;
  }
}

/** Axes of one voxel are left out. Without an x axis the spectrum is not halved, and its transform is complex. */
class Plans : public FourierPlans
{
public:
  Plans(const Device & device, const Lattice & lattice)
    : m_Device(device)
    , m_Library(GetFourierLibrary())
    , m_Voxels(lattice.NumberOfVoxels())
    , m_IsReal(lattice.size[0] > 1)
  {
    Enter(device);
    std::vector<int> sizes;
    for (int axis = 2; axis >= 0; --axis)
    {
      if (lattice.size[axis] > 1)
      {
        sizes.push_back(lattice.size[axis]);
      }
    }
    if (sizes.empty())
    {
      return;
    }
    std::size_t bytes = 0;
    const auto types =
      m_IsReal ? std::vector<cufftType>{ CUFFT_R2C, CUFFT_C2R } : std::vector<cufftType>{ CUFFT_C2C };
    for (const cufftType type : types)
    {
      m_Plans.push_back(std::make_unique<Plan>(device, m_Library, sizes, type));
      bytes = std::max(bytes, m_Plans.back()->WorkBytes());
    }
    // never nothing, so that there is always an address to give
    m_CopyAt = std::max<std::int64_t>(64, static_cast<std::int64_t>((bytes + 255) / 256 * 64));
    m_Workspace = m_CopyAt + (m_IsReal && m_Voxels % 2 == 1 ? (m_Voxels + 63) / 64 * 64 : 0);
  }

  std::int64_t
  Workspace() const override
  {
    return m_Workspace;
  }

  void
  Forward(const float * field, Complex * spectrum, float * workspace) const override
  {
    const cudaStream_t stream = Enter(m_Device);
    if (m_IsReal)
    {
      // out of place the input stays as it is
      float * input = const_cast<float *>(field);
      if (!IsAligned(field))
      {
        input = CopyIn(workspace);
        m_Device.Copy(input, field, sizeof(float) * m_Voxels);
      }
      CheckFourier(
        m_Library.executeForward(m_Plans[0]->With(workspace), input, AsComplex(spectrum)), "cufftExecR2C", m_Device);
      return;
    }
    MakeComplexKernel<<<StreamGrid(m_Voxels), StreamThreads, 0, stream>>>(field, spectrum, m_Voxels);
    CheckLaunch(m_Device, "FourierTransform");
    TransformComplex(spectrum, workspace, CUFFT_FORWARD);
  }

  void
  Inverse(Complex * spectrum, float * field, float * workspace) const override
  {
    const cudaStream_t stream = Enter(m_Device);
    if (m_IsReal)
    {
      float * const output = IsAligned(field) ? field : CopyIn(workspace);
      CheckFourier(
        m_Library.executeInverse(m_Plans[1]->With(workspace), AsComplex(spectrum), output), "cufftExecC2R", m_Device);
      if (output != field)
      {
        m_Device.Copy(field, output, sizeof(float) * m_Voxels);
      }
      return;
    }
    TransformComplex(spectrum, workspace, CUFFT_INVERSE);
    TakeRealKernel<<<StreamGrid(m_Voxels), StreamThreads, 0, stream>>>(spectrum, field, m_Voxels);
    CheckLaunch(m_Device, "FourierTransform");
  }

private:
  static bool
  IsAligned(const float * field)
  {
    return reinterpret_cast<std::uintptr_t>(field) % sizeof(cufftComplex) == 0;
  }

  /** The place in the workspace for a field that is not aligned. */
  float *
  CopyIn(float * workspace) const
  {
    if (m_Workspace == m_CopyAt)
    {
      ThrowError("FourierTransform: the field is not aligned to ", sizeof(cufftComplex), " bytes");
    }
    return workspace + m_CopyAt;
  }

  void
  TransformComplex(Complex * spectrum, float * workspace, int direction) const
  {
    if (!m_Plans.empty())
    {
      CheckFourier(m_Library.executeComplex(
                     m_Plans[0]->With(workspace), AsComplex(spectrum), AsComplex(spectrum), direction),
                   "cufftExecC2C",
                   m_Device);
    }
  }

  Device                             m_Device;
  const FourierLibrary &             m_Library;
  std::int64_t                       m_Voxels;
  bool                               m_IsReal;
  std::vector<std::unique_ptr<Plan>> m_Plans;
  std::int64_t                       m_CopyAt = 0;
  std::int64_t                       m_Workspace = 0;
};
} // namespace

std::unique_ptr<FourierPlans>
MakeFourierPlans(const Device & device, const Lattice & lattice)
{
  return std::make_unique<Plans>(device, lattice);
}
} // namespace cuda
} // namespace engine
} // namespace itk
