// SPDX-License-Identifier: Apache-2.0
#ifndef itkEmulatedLaunch_h
#define itkEmulatedLaunch_h

// Included by cuda_runtime.h: what the translated kernels and launches are made of.

#include <functional>
#include <tuple>
#include <type_traits>

namespace emulation
{
/** One launch, from the place in the source to what a thread does. */
struct Launch
{
  dim3                  grid;
  dim3                  block;
  std::size_t           dynamicBytes = 0;
  const char *          file = "";
  int                   line = 0;
  const void *          kernel = nullptr;
  std::function<void()> thread;
  std::size_t           mostSharedBytes = 0; ///< static ones included; set by Enqueue
};

/** Checks the launch against the limits of the device and puts it on the stream. The error is read by
 * cudaGetLastError, as after `<<< >>>`. */
void
Enqueue(Launch && launch, cudaStream_t stream);

template <typename... TArguments>
struct Call
{
  Launch                    launch;
  cudaStream_t              stream;
  std::tuple<TArguments...> arguments;
};

/** What stands between <<< and >>>. */
struct Configuration
{
  Launch       launch;
  cudaStream_t stream;

  Configuration(dim3         grid,
                dim3         block,
                std::size_t  dynamicBytes = 0,
                cudaStream_t queue = nullptr,
                const char * file = __builtin_FILE(),
                int          line = __builtin_LINE())
    : launch{ grid, block, dynamicBytes, file, line, nullptr, {} }
    , stream(queue)
  {}

  template <typename... TArguments>
  Call<std::decay_t<TArguments>...>
  operator()(TArguments &&... arguments) const
  {
    return { launch, stream, { std::forward<TArguments>(arguments)... } };
  }
};

/** The arguments are converted and kept at the launch, not at the execution. */
template <typename... TParameters, typename... TArguments>
void
operator|(void (*kernel)(TParameters...), Call<TArguments...> && call)
{
  static_assert(sizeof...(TParameters) == sizeof...(TArguments), "a kernel has no default arguments");
  call.launch.kernel = reinterpret_cast<const void *>(kernel);
  call.launch.thread = [kernel, parameters = std::tuple<TParameters...>(std::move(call.arguments))] {
    std::apply(kernel, parameters);
  };
  Enqueue(std::move(call.launch), call.stream);
}

/** Shared memory of exactly the size that the launch asked for, filled with 0xff bytes (NaN) for every block. */
void *
DynamicShared();

/** Number of the block that runs: different for every block of every launch. */
std::int64_t
BlockSerial();
/** The memory of one __shared__ variable, filled with 0xff bytes; `memory` is null or what an earlier call gave. */
void *
FillShared(void * memory, std::size_t bytes);

/** A __shared__ variable with a type. One per variable of the source, as blocks run one after another. */
template <typename T>
struct SharedVariable
{
  void *       memory = nullptr;
  std::int64_t block = -1;

  T &
  OfThisBlock()
  {
    if (block != BlockSerial())
    {
      memory = FillShared(memory, sizeof(T));
      block = BlockSerial();
    }
    return *static_cast<T *>(memory);
  }
};

cudaError_t
SetKernelAttribute(const void * kernel, cudaFuncAttribute attribute, int value);
cudaError_t
GetKernelAttributes(cudaFuncAttributes * attributes, const void * kernel);
cudaError_t
GetOccupancy(int * blocks, int blockSize, std::size_t dynamicBytes);
cudaError_t
CopyToSymbol(void *       symbol,
             std::size_t  symbolBytes,
             const void * source,
             std::size_t  bytes,
             std::size_t  offset,
             cudaStream_t stream);
} // namespace emulation

#endif
