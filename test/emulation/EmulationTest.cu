// SPDX-License-Identifier: Apache-2.0
#include <cuda_runtime.h>

#include <gtest/gtest.h>

namespace
{
TEST(Emulation, Begins) {}
} // namespace
