// SPDX-License-Identifier: Apache-2.0
// In the place of src/Engine/Cuda/FourierLibrary.cu: cuFFT's functions on the emulated device. The transforms are FFTW's;
// what cuFFT may overwrite, the work area and the input of an inverse transform, holds NaN afterwards.
#include "Cuda/FourierLibrary.h"

#include "Core/Error.h"
#include "DeviceState.h"

#include <algorithm>
#include <limits>
#include <memory>

#if defined(ITK_ENGINE_FFTW)
#  include <fftw3.h>

namespace
{
struct Plan
{
  std::vector<int>   sizes;
  cufftType          type = CUFFT_R2C;
  std::size_t        workBytes = 0;
  bool               allocates = true;
  void *             workArea = nullptr;
  cudaStream_t       stream = nullptr;
  fftwf_plan_s *     forward = nullptr;
  fftwf_plan_s *     inverse = nullptr;

  ~Plan()
  {
    for (const fftwf_plan plan : { forward, inverse })
    {
      if (plan)
      {
        fftwf_destroy_plan(plan);
      }
    }
  }

  /** Complex numbers of the spectrum. */
  std::size_t
  Modes() const
  {
    std::size_t modes = 1;
    for (std::size_t i = 0; i < sizes.size(); ++i)
    {
      modes *= static_cast<std::size_t>(i + 1 == sizes.size() && type != CUFFT_C2C ? sizes[i] / 2 + 1 : sizes[i]);
    }
    return modes;
  }
};

std::map<int, std::shared_ptr<Plan>> &
Plans()
{
  static auto * const plans = new std::map<int, std::shared_ptr<Plan>>;
  return *plans;
}

std::shared_ptr<Plan>
FindPlan(cufftHandle handle)
{
  const auto found = Plans().find(handle);
  return found == Plans().end() ? nullptr : found->second;
}

fftwf_complex *
AsFftw(cufftComplex * values)
{
  return reinterpret_cast<fftwf_complex *>(values);
}

void
Spoil(void * memory, std::size_t bytes)
{
  std::fill_n(static_cast<float *>(memory), bytes / sizeof(float), std::numeric_limits<float>::quiet_NaN());
}

/** Queues function(plan) on the plan's stream, and spoils the work area there. */
template <typename TFunction>
cufftResult
Execute(cufftHandle handle, bool isOfType, const void * input, const void * output, const TFunction & function)
{
  for (const void * const pointer : { input, output })
  {
    if (reinterpret_cast<std::uintptr_t>(pointer) % sizeof(cufftComplex) != 0)
    {
      return CUFFT_INVALID_VALUE;
    }
  }
  ITK_EMULATION_LOCK;
  const std::shared_ptr<Plan> plan = FindPlan(handle);
  if (!plan || !isOfType || plan->sizes.empty())
  {
    return CUFFT_INVALID_PLAN;
  }
  if (plan->allocates || !plan->workArea)
  {
    return CUFFT_NO_WORKSPACE; // plans with an area of their own are not emulated
  }
  void * const workArea = plan->workArea;
  emulation::Queue(plan->stream, [plan, workArea, function] {
    function(*plan);
    Spoil(workArea, plan->workBytes);
  });
  return CUFFT_SUCCESS;
}

bool
HasType(cufftHandle handle, cufftType type)
{
  const auto plan = FindPlan(handle);
  return plan && plan->type == type;
}
} // namespace

cufftResult
cufftCreate(cufftHandle * handle)
{
  ITK_EMULATION_LOCK;
  static int last = 0;
  *handle = ++last;
  Plans()[last] = std::make_shared<Plan>();
  return CUFFT_SUCCESS;
}

cufftResult
cufftDestroy(cufftHandle handle)
{
  ITK_EMULATION_LOCK;
  return Plans().erase(handle) > 0 ? CUFFT_SUCCESS : CUFFT_INVALID_PLAN;
}

cufftResult
cufftSetAutoAllocation(cufftHandle handle, int autoAllocate)
{
  ITK_EMULATION_LOCK;
  const auto plan = FindPlan(handle);
  if (!plan)
  {
    return CUFFT_INVALID_PLAN;
  }
  plan->allocates = autoAllocate != 0;
  return CUFFT_SUCCESS;
}

cufftResult
cufftMakePlanMany(cufftHandle handle,
                  int         rank,
                  int *       n,
                  int *       inembed,
                  int,
                  int,
                  int *       onembed,
                  int,
                  int,
                  cufftType     type,
                  int           batch,
                  std::size_t * workSize)
{
  ITK_EMULATION_LOCK;
  const auto plan = FindPlan(handle);
  if (!plan || emulation::BreaksCapture())
  {
    return CUFFT_INVALID_PLAN;
  }
  if (rank < 1 || rank > 3 || inembed || onembed || batch != 1 || *std::min_element(n, n + rank) < 1)
  {
    return CUFFT_INVALID_SIZE;
  }
  plan->sizes.assign(n, n + rank);
  plan->type = type;
  plan->workBytes = plan->Modes() * sizeof(cufftComplex);
  *workSize = plan->workBytes;
  // where the arrays lie is said when they are transformed
  constexpr unsigned int    flags = FFTW_ESTIMATE | FFTW_UNALIGNED;
  std::vector<cufftComplex> a(plan->Modes());
  std::vector<cufftComplex> b(plan->Modes());
  auto * const              real = reinterpret_cast<float *>(b.data());
  switch (type)
  {
    case CUFFT_R2C:
      plan->forward = fftwf_plan_dft_r2c(rank, n, real, AsFftw(a.data()), flags | FFTW_PRESERVE_INPUT);
      break;
    case CUFFT_C2R:
      plan->inverse = fftwf_plan_dft_c2r(rank, n, AsFftw(a.data()), real, flags);
      break;
    default:
      plan->forward = fftwf_plan_dft(rank, n, AsFftw(a.data()), AsFftw(a.data()), FFTW_FORWARD, flags);
      plan->inverse = fftwf_plan_dft(rank, n, AsFftw(a.data()), AsFftw(a.data()), FFTW_BACKWARD, flags);
  }
  return CUFFT_SUCCESS;
}

cufftResult
cufftSetStream(cufftHandle handle, cudaStream_t stream)
{
  ITK_EMULATION_LOCK;
  const auto plan = FindPlan(handle);
  if (!plan)
  {
    return CUFFT_INVALID_PLAN;
  }
  plan->stream = stream;
  return CUFFT_SUCCESS;
}

cufftResult
cufftSetWorkArea(cufftHandle handle, void * workArea)
{
  ITK_EMULATION_LOCK;
  const auto plan = FindPlan(handle);
  if (!plan)
  {
    return CUFFT_INVALID_PLAN;
  }
  plan->workArea = workArea;
  return CUFFT_SUCCESS;
}

cufftResult
cufftExecR2C(cufftHandle handle, cufftReal * input, cufftComplex * output)
{
  return Execute(handle, HasType(handle, CUFFT_R2C), input, output, [=](const Plan & plan) {
    fftwf_execute_dft_r2c(plan.forward, input, AsFftw(output));
  });
}

cufftResult
cufftExecC2R(cufftHandle handle, cufftComplex * input, cufftReal * output)
{
  return Execute(handle, HasType(handle, CUFFT_C2R), input, output, [=](const Plan & plan) {
    fftwf_execute_dft_c2r(plan.inverse, AsFftw(input), output);
    Spoil(input, plan.Modes() * sizeof(cufftComplex));
  });
}

cufftResult
cufftExecC2C(cufftHandle handle, cufftComplex * input, cufftComplex * output, int direction)
{
  return Execute(handle, HasType(handle, CUFFT_C2C) && input == output, input, output, [=](const Plan & plan) {
    fftwf_execute_dft(direction == CUFFT_FORWARD ? plan.forward : plan.inverse, AsFftw(input), AsFftw(output));
  });
}
#endif

namespace itk
{
namespace engine
{
namespace cuda
{
const FourierLibrary &
GetFourierLibrary()
{
#if defined(ITK_ENGINE_FFTW)
  static const FourierLibrary functions{ cufftCreate,    cufftDestroy,     cufftSetAutoAllocation,
                                         cufftMakePlanMany, cufftSetStream, cufftSetWorkArea,
                                         cufftExecR2C,   cufftExecC2R,     cufftExecC2C };
  return functions;
#else
  ThrowError("FourierTransform: the emulated device has no cuFFT, for which it takes FFTW");
#endif
}
} // namespace cuda
} // namespace engine
} // namespace itk
