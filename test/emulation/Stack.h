// SPDX-License-Identifier: Apache-2.0
#ifndef itkEmulationStack_h
#define itkEmulationStack_h

#include <cstddef>

#if defined(ITK_EMULATION_SANITIZED)
#  include <sanitizer/asan_interface.h>
#  include <sanitizer/common_interface_defs.h>
#endif

#include <ucontext.h>

namespace emulation
{
/** A stack and where its execution stands. A default one is that of the program itself; the others are fibers'. */
class Stack
{
public:
  Stack() = default;
  Stack(const Stack &) = delete;
  Stack &
  operator=(const Stack &) = delete;

  /** Memory for a stack that, when first switched to, calls `entry`, which must not return. Also forgets whatever ran
   * on it before. */
  void
  Prepare(void (*entry)());

  /** Goes on where `to` stands, and returns when something switches back to `from`. */
  static void
  Switch(Stack & from, Stack & to);

  /** The first thing that runs on a new stack must call it. */
  static void
  Arrive();

private:
  void *     m_Jump[5] = {};
  char *     m_Memory = nullptr;
  bool       m_Started = true;
  ucontext_t m_Context{};
};
} // namespace emulation

#endif
