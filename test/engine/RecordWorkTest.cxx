// SPDX-License-Identifier: Apache-2.0
#include "EngineTesting.h"

#include "Core/RecordWork.h"
#include "Operators/AdamUpdate.h"
#include "Operators/Compose.h"
#include "Operators/GaussianSmooth.h"
#include "Operators/JacobianDeterminant.h"

#include <string>
#include <vector>

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
/** A few steps along one gradient, of operators that keep their state on the device. */
class Steps
{
public:
  Steps()
    : m_Gradient(MakeNoise(m_Lattice, 3, 1, -1.0, 1.0))
    , m_Direction(m_Lattice, 3)
    , m_Moved(m_Lattice, 3)
    , m_Displacement(HostField(m_Lattice, 3))
    , m_First(HostField(m_Lattice, 3))
    , m_Second(HostField{ m_Lattice })
    , m_Flags(m_Lattice)
    , m_Norms(2)
    , m_Folds(1)
    , m_Corrections(TestDevice(), 4)
    , m_Count(TestDevice(), 1)
  {
    std::vector<AdamCorrections> corrections;
    for (int step = 1; step <= 4; ++step)
    {
      corrections.push_back(MakeAdamCorrections(0.9, 0.99, step));
    }
    TestDevice().CopyFromHost(m_Corrections.Data(), corrections.data(), m_Corrections.Bytes());
    TestDevice().SetZero(m_Count.Data(), sizeof(int));
  }

  void
  Step() const
  {
    const SymmetricKernel kernels[3] = { MakeGaussianKernel(2.0), MakeGaussianKernel(2.0), MakeGaussianKernel(2.0) };
    ComposeParameters     composition;
    composition.outside = Outside::Clamp;
    composition.innerScale = 0.5f;
    composition.innerMaximum = m_Norms.Data() + 1;
    AdamClock clock;
    clock.corrections = m_Corrections.Data();
    clock.count = 4;
    clock.steps = m_Count.Data();
    GaussianSmooth(TestDevice(), kernels, SmoothBoundary::ZeroFlux, m_Gradient, m_Direction, m_Moved);
    AdamUpdate(TestDevice(), AdamParameters(), clock, m_Direction, m_First, m_Second, m_Norms.Data());
    Compose(TestDevice(), composition, m_Displacement, m_Direction, m_Moved);
    GaussianSmooth(TestDevice(), kernels, SmoothBoundary::ZeroFlux, m_Moved, m_Displacement, m_Direction);
    RelaxFolds(TestDevice(), FoldLimits(), m_Displacement, m_Folds.Data(), m_Flags, m_Moved);
  }

  HostField
  Result() const
  {
    return m_Displacement.Download();
  }

private:
  Lattice                 m_Lattice = Lattice(21, 18, 13);
  DeviceFloats            m_Gradient;
  DeviceFloats            m_Direction;
  DeviceFloats            m_Moved;
  DeviceFloats            m_Displacement;
  DeviceFloats            m_First;
  DeviceFloats            m_Second;
  DeviceMask              m_Flags;
  DeviceScalars           m_Norms;
  DeviceScalars           m_Folds;
  Buffer<AdamCorrections> m_Corrections;
  Buffer<int>             m_Count;
};

/** What the Error says that recording `work` throws; empty if it throws none. */
std::string
RecordingError(const std::function<void()> & work)
{
  try
  {
    RecordWork(TestDevice(), work);
  }
  catch (const Error & error)
  {
    return error.what();
  }
  return "";
}
} // namespace

// Checks that recording moves nothing and that replays then do what calls do, to the bit.
TEST(RecordWork, ReplaysDoWhatCallsDo)
{
  const Steps called;
  const Steps replayed;
  for (int step = 0; step < 4; ++step)
  {
    called.Step();
  }
  replayed.Step();
  const HostField             before = replayed.Result();
  const std::function<void()> replay = RecordWork(TestDevice(), [&] { replayed.Step(); });
  EXPECT_SAME_BITS(replayed.Result(), before);
  replay();
  // between replays the device takes other work, of the same memory too
  replayed.Step();
  EXPECT_FALSE(SameBits(replayed.Result(), called.Result()));
  replay();
  EXPECT_SAME_BITS(replayed.Result(), called.Result());
}

TEST(RecordWork, WorkMayBeNothingButNotMissing)
{
  RecordWork(TestDevice(), [] {})();
  EXPECT_NE(RecordingError(nullptr), "");
}

// Checks that work that cannot be recorded is refused by name, and the device still works and records.
TEST(RecordWork, WhatCannotBeRecordedIsSaid)
{
  const DeviceFloats field(MakeNoise(Lattice(9, 8, 7), 1, 2, 0.0, 1.0));
  const HostField    before = field.Download();
  float              value = 0.0f;

  const std::vector<std::pair<std::function<void()>, std::string>> calls = {
    { [&] { Buffer<float>(TestDevice(), 100); }, "cudaMalloc" },
    { [&] { TestDevice().CopyToHost(&value, field.View().data, sizeof(value)); }, "cuda" },
    { [&] { TestDevice().CopyFromHost(field.View().data, &value, sizeof(value)); }, "cuda" },
    { [&] { TestDevice().Synchronize(); }, "cudaStreamSynchronize" },
    { [&] { RecordWork(TestDevice(), [] {}); }, "cudaStreamBeginCapture" },
    { [&] { ThrowError("not of the device"); }, "not of the device" },
  };
  for (const auto & call : calls)
  {
    SCOPED_TRACE(call.second);
    const auto work = [&] {
      TestDevice().SetZero(field.View().data, sizeof(float));
      call.first();
      TestDevice().SetZero(field.View().data + 1, sizeof(float));
    };
    if (TestDevice().IsCuda())
    {
      EXPECT_NE(RecordingError(work).find(call.second), std::string::npos) << RecordingError(work);
      EXPECT_SAME_BITS(field.Download(), before);
    }
    else
    {
      EXPECT_EQ(RecordingError(work), "");
    }
  }
  // an error that the work keeps to itself spoils the recording all the same
  if (TestDevice().IsCuda())
  {
    const auto work = [&] {
      try
      {
        TestDevice().Synchronize();
      }
      catch (const Error &)
      {
      }
    };
    EXPECT_NE(RecordingError(work).find("cudaStreamEndCapture"), std::string::npos) << RecordingError(work);
  }
  const auto replay = RecordWork(TestDevice(), [&] { TestDevice().SetZero(field.View().data, sizeof(float)); });
  EXPECT_SAME_BITS(field.Download(), before);
  replay();
  EXPECT_EQ(field.Download().values[0], 0.0f);
}
} // namespace test
} // namespace engine
} // namespace itk
