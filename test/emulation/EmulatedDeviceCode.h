// SPDX-License-Identifier: Apache-2.0
#ifndef itkEmulatedDeviceCode_h
#define itkEmulatedDeviceCode_h

// Included by cuda_runtime.h: built-in variables and functions of device code.

#include <type_traits>

extern uint3  threadIdx;
extern uint3  blockIdx;
extern dim3   blockDim;
extern dim3   gridDim;
constexpr int warpSize = 32;

namespace emulation
{
/** Waits for all threads of the block; how many of them brought a predicate that is not 0. */
int
WaitForBlock(const char * function, int predicate);

struct WarpResult
{
  std::uint64_t value;  ///< of the source lane; all bits set where that lane does not take part
  unsigned int  ballot; ///< lanes whose value is not 0
};

/** Waits for the lanes of `mask`, which must all come with the same mask and function. */
WarpResult
WaitForWarp(const char * function, unsigned int mask, std::uint64_t value, int sourceLane);

int
Lane();

template <typename T>
T
Shuffle(const char * function, unsigned int mask, T value, int sourceLane)
{
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "shuffles move 4 or 8 bytes");
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = WaitForWarp(function, mask, bits, sourceLane).value;
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

template <typename TTo, typename TFrom>
TTo
BitCast(TFrom from)
{
  static_assert(sizeof(TTo) == sizeof(TFrom), "sizes differ");
  TTo to;
  std::memcpy(&to, &from, sizeof(to));
  return to;
}
} // namespace emulation

inline void
__syncthreads()
{
  emulation::WaitForBlock("__syncthreads", 0);
}
inline int
__syncthreads_count(int predicate)
{
  return emulation::WaitForBlock("__syncthreads_count", predicate);
}
inline int
__syncthreads_or(int predicate)
{
  return emulation::WaitForBlock("__syncthreads_or", predicate) > 0;
}
inline int
__syncthreads_and(int predicate)
{
  return emulation::WaitForBlock("__syncthreads_and", predicate == 0) == 0;
}
inline void
__syncwarp(unsigned int mask = 0xffffffffu)
{
  emulation::WaitForWarp("__syncwarp", mask, 0, emulation::Lane());
}
inline void
__threadfence()
{}
inline void
__threadfence_block()
{}

template <typename T>
T
__shfl_sync(unsigned int mask, T value, int source, int width = 32)
{
  const int lane = emulation::Lane();
  return emulation::Shuffle("__shfl_sync", mask, value, (lane & ~(width - 1)) | (source & (width - 1)));
}
template <typename T>
T
__shfl_up_sync(unsigned int mask, T value, unsigned int distance, int width = 32)
{
  const int lane = emulation::Lane();
  const int source = lane - static_cast<int>(distance);
  return emulation::Shuffle("__shfl_up_sync", mask, value, source < (lane & ~(width - 1)) ? lane : source);
}
template <typename T>
T
__shfl_down_sync(unsigned int mask, T value, unsigned int distance, int width = 32)
{
  const int lane = emulation::Lane();
  const int source = lane + static_cast<int>(distance);
  return emulation::Shuffle("__shfl_down_sync", mask, value, source > (lane | (width - 1)) ? lane : source);
}
template <typename T>
T
__shfl_xor_sync(unsigned int mask, T value, int laneMask, int width = 32)
{
  const int lane = emulation::Lane();
  const int source = lane ^ laneMask;
  return emulation::Shuffle("__shfl_xor_sync", mask, value, source > (lane | (width - 1)) ? lane : source);
}
inline unsigned int
__ballot_sync(unsigned int mask, int predicate)
{
  return emulation::WaitForWarp("__ballot_sync", mask, predicate != 0, emulation::Lane()).ballot;
}
inline int
__any_sync(unsigned int mask, int predicate)
{
  return emulation::WaitForWarp("__any_sync", mask, predicate != 0, emulation::Lane()).ballot != 0;
}
inline int
__all_sync(unsigned int mask, int predicate)
{
  return emulation::WaitForWarp("__all_sync", mask, predicate == 0, emulation::Lane()).ballot == 0;
}
/** The hardware may give any set of lanes that holds the caller; the smallest one surprises the most. */
inline unsigned int
__activemask()
{
  return 1u << emulation::Lane();
}

// One thread runs at a time: atomics are plain.
template <typename T, typename TOperation>
T
EmulateAtomic(T * address, const TOperation & operation)
{
  const T old = *address;
  *address = operation(old);
  return old;
}
template <typename T>
T
atomicAdd(T * address, std::common_type_t<T> value)
{
  return EmulateAtomic(address, [=](T old) { return static_cast<T>(old + value); });
}
template <typename T>
T
atomicSub(T * address, std::common_type_t<T> value)
{
  return EmulateAtomic(address, [=](T old) { return static_cast<T>(old - value); });
}
template <typename T>
T
atomicMax(T * address, std::common_type_t<T> value)
{
  return EmulateAtomic(address, [=](T old) { return old > value ? old : value; });
}
template <typename T>
T
atomicMin(T * address, std::common_type_t<T> value)
{
  return EmulateAtomic(address, [=](T old) { return old < value ? old : value; });
}
template <typename T>
T
atomicOr(T * address, std::common_type_t<T> value)
{
  return EmulateAtomic(address, [=](T old) { return old | value; });
}
template <typename T>
T
atomicAnd(T * address, std::common_type_t<T> value)
{
  return EmulateAtomic(address, [=](T old) { return old & value; });
}
template <typename T>
T
atomicExch(T * address, std::common_type_t<T> value)
{
  return EmulateAtomic(address, [=](T) { return value; });
}
template <typename T>
T
atomicCAS(T * address, std::common_type_t<T> compare, std::common_type_t<T> value)
{
  return EmulateAtomic(address, [=](T old) { return old == compare ? value : old; });
}

template <typename T>
T
__ldg(const T * address)
{
  return *address;
}
template <typename T>
T
__ldcs(const T * address)
{
  return *address;
}
template <typename T>
void
__stcs(T * address, std::common_type_t<T> value)
{
  *address = value;
}

/** Of two arithmetic types, as CUDA's overloads; of NaN and a number the number. */
template <typename TA, typename TB>
std::common_type_t<TA, TB>
min(TA a, TB b)
{
  using T = std::common_type_t<TA, TB>;
  if constexpr (std::is_floating_point_v<T>)
  {
    return std::fmin(static_cast<T>(a), static_cast<T>(b));
  }
  else
  {
    return static_cast<T>(b) < static_cast<T>(a) ? static_cast<T>(b) : static_cast<T>(a);
  }
}
template <typename TA, typename TB>
std::common_type_t<TA, TB>
max(TA a, TB b)
{
  using T = std::common_type_t<TA, TB>;
  if constexpr (std::is_floating_point_v<T>)
  {
    return std::fmax(static_cast<T>(a), static_cast<T>(b));
  }
  else
  {
    return static_cast<T>(a) < static_cast<T>(b) ? static_cast<T>(b) : static_cast<T>(a);
  }
}

inline int __popc(unsigned int x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz(static_cast<unsigned int>(x)); }
inline int __clzll(long long x) { return x == 0 ? 64 : __builtin_clzll(static_cast<unsigned long long>(x)); }
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline float __fdividef(float a, float b) { return a / b; }
inline float __frcp_rn(float a) { return 1.0f / a; }
inline float __saturatef(float a) { return a > 0.0f ? (a < 1.0f ? a : 1.0f) : 0.0f; }
inline float __expf(float a) { return std::exp(a); }
inline float __logf(float a) { return std::log(a); }
inline float rsqrtf(float a) { return 1.0f / std::sqrt(a); }
inline double rsqrt(double a) { return 1.0 / std::sqrt(a); }
inline int __float_as_int(float a) { return emulation::BitCast<int>(a); }
inline unsigned int __float_as_uint(float a) { return emulation::BitCast<unsigned int>(a); }
inline float __int_as_float(int a) { return emulation::BitCast<float>(a); }
inline float __uint_as_float(unsigned int a) { return emulation::BitCast<float>(a); }
inline long long __double_as_longlong(double a) { return emulation::BitCast<long long>(a); }
inline double __longlong_as_double(long long a) { return emulation::BitCast<double>(a); }
inline int __float2int_rd(float a) { return static_cast<int>(std::floor(a)); }
inline int __float2int_ru(float a) { return static_cast<int>(std::ceil(a)); }
inline int __float2int_rn(float a) { return static_cast<int>(std::nearbyint(a)); }
inline int __float2int_rz(float a) { return static_cast<int>(a); }
inline long long __double2ll_rn(double a) { return std::llrint(a); }
inline long long __float2ll_rn(float a) { return std::llrint(a); }

/** Per byte: 1 where a > b. */
inline unsigned int
__vsetgtu4(unsigned int a, unsigned int b)
{
  unsigned int result = 0;
  for (int shift = 0; shift < 32; shift += 8)
  {
    result |= static_cast<unsigned int>((a >> shift & 0xffu) > (b >> shift & 0xffu)) << shift;
  }
  return result;
}

#endif
