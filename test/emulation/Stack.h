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
/** A stack and where its execution stands. A default one is that of the program itself. */
class Stack
{
public:
  Stack() = default;
  ~Stack();
  Stack(const Stack &) = delete;
  Stack &
  operator=(const Stack &) = delete;

  /** Memory for a stack that, when first switched to, calls `entry`, which must not return. Also forgets whatever ran
   * on it before. */
  void
  Prepare(void (*entry)());

  /** Goes on where `to` stands, and returns when something switches back to `from`. `from` or `to` is the program's. */
  static void
  Switch(Stack & from, Stack & to);

  /** The first thing that runs on a new stack must call it; `from` is the program's. */
  static void
  Arrive(Stack & from);

private:
  void *      m_Jump[5] = {};
  void *      m_Memory = nullptr;
  bool        m_Started = true;
  ucontext_t  m_Context{};
  // What AddressSanitizer wants to know.
  const void * m_Bottom = nullptr;
  std::size_t  m_Size = 0;
  void *       m_Fake = nullptr;
};
} // namespace emulation

#endif
