// SPDX-License-Identifier: Apache-2.0
#include "ReferenceOperators.h"
#include "ReferenceTangent.h"

#include "Solvers/VelocityFlow.h"

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
/** All segments of a velocity one after another. */
HostField
MakeVelocity(const Lattice & lattice, int segments, unsigned int seed, double amplitude, bool zeroAtBorder)
{
  HostField velocity(lattice, 3 * segments);
  for (int k = 0; k < segments; ++k)
  {
    const HostField part = MakeDisplacement(lattice, seed + 7 * k, amplitude, zeroAtBorder);
    std::copy(part.values.begin(), part.values.end(), velocity.values.begin() + k * part.values.size());
  }
  return velocity;
}

template <typename T>
HostFieldOf<T>
SegmentOf(const HostFieldOf<T> & velocity, int k)
{
  HostFieldOf<T>    part(velocity.lattice, 3);
  const std::size_t count = part.values.size();
  std::copy_n(velocity.values.begin() + k * count, count, part.values.begin());
  return part;
}

/** A flow with its memory and workspaces. */
class Flow
{
public:
  Flow(const Lattice & lattice, int timeSteps, int segments, Outside outside = Outside::Clamp)
    : m_Lattice(lattice)
    , m_Segments(segments)
    , m_Parameters(MakeParameters(timeSteps, segments, outside))
    , m_Memory(VelocityFlow::MemoryFloats(TestDevice(), lattice, m_Parameters))
    , m_Flow(TestDevice(), lattice, m_Parameters, m_Memory.Data())
    , m_Workspace(std::max(m_Flow.TangentWorkspace(), m_Flow.AdjointWorkspace()))
    , m_Velocity(lattice, 3 * segments)
  {}

  HostField
  Integrate(const HostField & velocity, bool inverse = false, bool plans = false)
  {
    m_Velocity = DeviceFloats(velocity);
    const DeviceFloats displacement(m_Lattice, 3);
    m_Flow.Integrate(m_Velocity, displacement, inverse, plans);
    return displacement.Download();
  }
  HostField
  Tangent(const HostField & direction, const TangentProduct & product = TangentProduct()) const
  {
    const DeviceFloats output(m_Lattice, 3);
    m_Flow.Tangent(DeviceFloats(direction), output, m_Workspace.Data(), product);
    return output.Download();
  }
  HostField
  Adjoint(const HostField & slope)
  {
    m_Flow.PlanAdjoint();
    const DeviceFloats gradient(m_Lattice, 3 * m_Segments);
    m_Flow.Adjoint(DeviceFloats(slope), gradient, false, m_Workspace.Data());
    return gradient.Download();
  }
  const VelocityFlow &
  Get() const
  {
    return m_Flow;
  }

private:
  static VelocityFlowParameters
  MakeParameters(int timeSteps, int segments, Outside outside)
  {
    VelocityFlowParameters parameters;
    parameters.timeSteps = timeSteps;
    parameters.segments = segments;
    parameters.outside = outside;
    return parameters;
  }

  Lattice                m_Lattice;
  int                    m_Segments;
  VelocityFlowParameters m_Parameters;
  Workspace              m_Memory;
  VelocityFlow           m_Flow;
  Workspace              m_Workspace;
  DeviceFloats           m_Velocity;
};

/** One step by Heun's rule, with the factors as the flow rounds them. */
HostDoubles
StepInDouble(const HostDoubles & v, double h, bool clamp)
{
  ComposeParameters parameters;
  parameters.outside = clamp ? Outside::Clamp : Outside::Value;
  parameters.innerScale = static_cast<float>(-h);
  parameters.innerWeight = 0.5f;
  parameters.outerScale.scale = static_cast<float>(-0.5 * h);
  return WeightedComposeInDouble(parameters, v, v);
}

HostDoubles
ComposePlainly(const HostDoubles & outer, const HostDoubles & inner, bool clamp)
{
  return ComposeInDouble(outer, inner, IdentityAffine(), clamp);
}

/** The power of a step by the chains that the tape is to find, written down here for the numbers that the tests use. */
HostDoubles
PowerInDouble(const HostDoubles & step, int n, bool clamp)
{
  switch (n)
  {
    case 1:
      return step;
    case 2:
    case 4:
    case 8:
    {
      const HostDoubles half = PowerInDouble(step, n / 2, clamp);
      return ComposePlainly(half, half, clamp);
    }
    case 3:
    case 5:
      return ComposePlainly(step, PowerInDouble(step, n - 1, clamp), clamp);
    default:
      ADD_FAILURE() << "no chain for " << n;
      return step;
  }
}

/** The same map in double, without the tape: from the latest segment to the earliest. */
HostDoubles
FlowInDouble(const HostDoubles & velocity, int timeSteps, int segments, bool clamp, bool inverse = false)
{
  const int   steps = (timeSteps + segments - 1) / segments;
  const float h = (inverse ? -1.0f : 1.0f) / static_cast<float>(segments * steps);
  HostDoubles whole;
  for (int k = 0; k < segments; ++k)
  {
    const HostDoubles step = StepInDouble(SegmentOf(velocity, inverse ? k : segments - 1 - k), h, clamp);
    const HostDoubles part = PowerInDouble(step, steps, clamp);
    whole = k == 0 ? part : ComposePlainly(part, whole, clamp);
  }
  return whole;
}

const int timeStepsToTest[] = { 1, 2, 3, 4, 5, 8 };

/** Every tape is tested on small grids, and a few on all. */
bool
IsLong(const Lattice & lattice, int segments, int timeSteps)
{
  return lattice.NumberOfVoxels() > 216 && timeSteps != (segments == 1 ? 4 : 3);
}
} // namespace

TEST(VelocityFlow, MatchesDouble)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    SCOPED_TRACE(Describe(lattice));
    for (const int segments : { 1, 2, 3 })
    {
      const HostField velocity = MakeVelocity(lattice, segments, 11, 2.5, true);
      for (const int timeSteps : timeStepsToTest)
      {
        if (IsLong(lattice, segments, timeSteps))
        {
          continue;
        }
        SCOPED_TRACE(testing::Message() << segments << " segments, " << timeSteps << " steps");
        Flow flow(lattice, timeSteps, segments, Outside::Value);
        for (const bool inverse : { false, true })
        {
          EXPECT_RELATIVE_ERROR(flow.Integrate(velocity, inverse),
                                FlowInDouble(ToDoubles(velocity), timeSteps, segments, false, inverse),
                                1e-5);
        }
      }
    }
  }
}

// Checks the derivative against differences of the double chain, which bends where a position crosses a grid plane.
TEST(VelocityFlow, TangentMatchesFiniteDifferences)
{
  for (const Lattice & lattice : { Lattice(13, 17, 11), Lattice(19, 16, 1) })
  {
    for (const Outside outside : { Outside::Value, Outside::Clamp })
    {
      const bool clamp = outside == Outside::Clamp;
      for (const int segments : { 1, 3 })
      {
        HostField velocity = MakeVelocity(lattice, segments, 21, 2.0, !clamp);
        for (float & value : velocity.values)
        {
          value += value == 0.0f ? 0.0f : 0.03f; // away from still points
        }
        const HostField direction = MakeVelocity(lattice, segments, 22, 1.0, !clamp);
        for (const int timeSteps : { 1, 3, 4, 5 })
        {
          SCOPED_TRACE(testing::Message() << Describe(lattice) << ' ' << segments << " segments, " << timeSteps << " steps");
          Flow flow(lattice, timeSteps, segments, outside);
          for (const bool inverse : { false, true })
          {
            flow.Integrate(velocity, inverse);
            constexpr double h = 1e-7;
            HostDoubles      low = ToDoubles(velocity);
            HostDoubles      high = low;
            for (std::size_t i = 0; i < low.values.size(); ++i)
            {
              low.values[i] -= h * direction.values[i];
              high.values[i] += h * direction.values[i];
            }
            HostDoubles       difference = FlowInDouble(high, timeSteps, segments, clamp, inverse);
            const HostDoubles below = FlowInDouble(low, timeSteps, segments, clamp, inverse);
            for (std::size_t i = 0; i < below.values.size(); ++i)
            {
              difference.values[i] = (difference.values[i] - below.values[i]) / (2 * h);
            }
            EXPECT_RELATIVE_ERROR(flow.Tangent(direction), difference, 1e-3);
          }
        }
      }
    }
  }
}

// Checks <T a, T a> = <a, T' T a>, for all tapes, with positions on kinks and beyond the border.
TEST(VelocityFlow, AdjointIsTheTransposeOfTangent)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    for (const int segments : { 1, 2, 3 })
    {
      const HostField velocity = MakeVelocity(lattice, segments, 31, 3.0, false);
      const HostField direction = MakeNoise(lattice, 3 * segments, 32, -1.0, 1.0);
      for (const int timeSteps : timeStepsToTest)
      {
        if (IsLong(lattice, segments, timeSteps))
        {
          continue;
        }
        SCOPED_TRACE(testing::Message() << Describe(lattice) << ' ' << segments << " segments, " << timeSteps << " steps");
        for (const Outside outside : { Outside::Value, Outside::Clamp })
        {
          if (outside == Outside::Value && timeSteps != 4)
          {
            continue;
          }
          Flow flow(lattice, timeSteps, segments, outside);
          flow.Integrate(velocity);
          const HostField tangent = flow.Tangent(direction);
          EXPECT_RELATIVE_NEAR(Dot(flow.Adjoint(tangent), direction), Dot(tangent, tangent), 1e-6);
        }
      }
    }
  }
}

// Checks that a Gauss-Newton product T' H T is symmetric.
TEST(VelocityFlow, ProductIsSymmetric)
{
  const Lattice   lattice(33, 26, 21);
  const HostField velocity = MakeVelocity(lattice, 2, 41, 3.0, false);
  const HostField a = MakeNoise(lattice, 6, 42, -1.0, 1.0);
  HostField       b = MakeNoise(lattice, 6, 43, -1.0, 1.0);
  for (std::size_t i = 0; i < b.values.size(); ++i)
  {
    b.values[i] += a.values[i]; // so that the products do not cancel
  }
  const DeviceFloats vectors(MakeNoise(lattice, 3, 44, -1.0, 1.0));
  TangentProduct     product;
  product.vectors = vectors;
  Flow flow(lattice, 4, 2);
  flow.Integrate(velocity);
  const double ab = Dot(flow.Adjoint(flow.Tangent(a, product)), b);
  EXPECT_RELATIVE_NEAR(Dot(flow.Adjoint(flow.Tangent(b, product)), a), ab, 1e-6);
}

TEST(VelocityFlow, AdjointAccumulates)
{
  const Lattice   lattice(17, 13, 6);
  const HostField velocity = MakeVelocity(lattice, 2, 51, 2.0, false);
  const HostField slope = MakeNoise(lattice, 3, 52, -1.0, 1.0);
  Flow            flow(lattice, 6, 2);
  flow.Integrate(velocity, false, true);
  const HostField    once = flow.Adjoint(slope);
  const DeviceFloats twice(once);
  const Workspace    workspace(flow.Get().AdjointWorkspace());
  flow.Get().Adjoint(DeviceFloats(slope), twice, true, workspace.Data());
  HostDoubles expected = ToDoubles(once);
  for (double & value : expected.values)
  {
    value *= 2.0;
  }
  EXPECT_RELATIVE_ERROR(twice.Download(), expected, 1e-6);
}

TEST(VelocityFlow, InverseIsConsistent)
{
  const Lattice lattice(64, 60, 56);
  for (const int segments : { 1, 2 })
  {
    const HostField velocity = MakeVelocity(lattice, segments, 61, 2.0, true);
    Flow            flow(lattice, 8, segments);
    const HostField forward = flow.Integrate(velocity);
    const HostField backward = flow.Integrate(velocity, true);
    EXPECT_GT(MaximumAndMeanNorm(forward)[0], 1.0);
    EXPECT_LE(MaximumAndMeanNorm(ComposeInDouble(forward, backward, IdentityAffine(), true))[0], 0.02);
    EXPECT_LE(MaximumAndMeanNorm(ComposeInDouble(backward, forward, IdentityAffine(), true))[0], 0.02);
  }
}

namespace
{
HostField
Determinant(const Flow & flow, const HostField & displacement)
{
  const DeviceFloats determinant(displacement.lattice);
  const Workspace    workspace(flow.Get().DeterminantWorkspace());
  flow.Get().TransportDeterminant(DeviceFloats(displacement), determinant, workspace.Data());
  return determinant.Download();
}

/** J_outer(x + inner(x)) J_inner(x). */
HostDoubles
MultiplyAlong(const HostDoubles & outer, const HostDoubles & innerDeterminant, const HostDoubles & inner)
{
  HostDoubles product = innerDeterminant;
  ForEachVoxel(inner.lattice, [&](int x, int y, int z) {
    const Vector3 u = VectorAt(inner, x, y, z);
    const Vector3 p{ { x + u[0], y + u[1], z + u[2] } };
    product(0, x, y, z) *= IsInside(outer.lattice, p) ? InterpolateLinear(outer, 0, p) : 1.0;
  });
  return product;
}
} // namespace

// Checks the product over the steps in double, with all squarings and segments written down.
TEST(VelocityFlow, DeterminantMatchesDouble)
{
  const Matrix33 identity = LinearPart(IdentityAffine());
  for (const Lattice & lattice : EdgeLattices())
  {
    if (lattice.NumberOfVoxels() > 50000)
    {
      continue; // takes long
    }
    SCOPED_TRACE(Describe(lattice));
    const HostField velocity = MakeVelocity(lattice, 2, 71, 1.5, true);
    HostDoubles     whole;
    HostDoubles     expected;
    for (int k = 1; k >= 0; --k)
    {
      const HostDoubles step = StepInDouble(ToDoubles(SegmentOf(velocity, k)), 0.25, false);
      const HostDoubles one = DeterminantInDouble(step, identity);
      const HostDoubles two = MultiplyAlong(one, one, step);
      const HostDoubles part = ComposePlainly(step, step, false);
      expected = k == 1 ? two : MultiplyAlong(two, expected, whole);
      whole = k == 1 ? part : ComposePlainly(part, whole, false);
    }
    Flow            flow(lattice, 4, 2, Outside::Value);
    const HostField displacement = flow.Integrate(velocity);
    EXPECT_RELATIVE_ERROR(Determinant(flow, displacement), expected, 1e-5);
    Flow            single(lattice, 1, 1, Outside::Value);
    const HostField step = single.Integrate(SegmentOf(velocity, 0));
    EXPECT_RELATIVE_ERROR(Determinant(single, step), DeterminantInDouble(step, identity), 1e-5);
  }
}

TEST(VelocityFlow, DeterminantIsThatOfTheMap)
{
  const Lattice   lattice(40, 36, 32);
  const HostField velocity = MakeVelocity(lattice, 1, 81, 2.0, true);
  Flow            flow(lattice, 8, 1);
  const HostField displacement = flow.Integrate(velocity);
  const HostField actual = Determinant(flow, displacement);
  EXPECT_RELATIVE_ERROR(actual, DeterminantInDouble(displacement, LinearPart(IdentityAffine())), 0.02);
  EXPECT_GT(MaximumError(actual, HostField(lattice, 1, 1.0f)), 0.3);
}

TEST(VelocityFlow, TapeIsShortest)
{
  const int lengths[][2] = { { 1, 0 }, { 2, 1 }, { 3, 2 }, { 4, 2 }, { 5, 3 }, { 7, 4 }, { 8, 3 }, { 15, 5 }, { 64, 6 } };
  for (const auto & length : lengths)
  {
    for (const int segments : { 1, 3 })
    {
      const FlowTape tape = MakeFlowTape(length[0], segments);
      EXPECT_EQ(static_cast<int>(tape.nodes.size()), segments * (length[1] + 1) + segments - 1) << length[0];
    }
  }
  // What a Gauss-Newton product takes beside the caller's own field.
  EXPECT_EQ(MakeFlowTape(4, 1).tangentPlaces, 2);
  EXPECT_EQ(MakeFlowTape(4, 1).adjointPlaces, 2);
}

TEST(VelocityFlow, RefusesWhatDoesNotFit)
{
  VelocityFlowParameters parameters;
  const Lattice          lattice(6, 5, 4);
  parameters.segments = 0;
  EXPECT_THROW(VelocityFlow::Check(parameters), Error);
  parameters.segments = 2;
  parameters.timeSteps = 0;
  EXPECT_THROW(VelocityFlow::Check(parameters), Error);
  parameters.timeSteps = 2 * MaximumFlowSteps + 1;
  EXPECT_THROW(VelocityFlow::Check(parameters), Error);
  parameters.timeSteps = 8;
  EXPECT_THROW(VelocityFlow(TestDevice(), lattice, parameters, nullptr), Error);
  const Workspace    memory(VelocityFlow::MemoryFloats(TestDevice(), lattice, parameters));
  VelocityFlow       flow(TestDevice(), lattice, parameters, memory.Data());
  const Workspace    workspace(std::max(flow.TangentWorkspace(), flow.AdjointWorkspace()));
  const DeviceFloats velocity(HostField(lattice, 6));
  const DeviceFloats direction(HostField(lattice, 6));
  const DeviceFloats field(lattice, 3);
  EXPECT_THROW(flow.Tangent(direction, field, workspace.Data()), Error); // before Integrate
  EXPECT_THROW(flow.Adjoint(field, direction, false, workspace.Data()), Error);
  EXPECT_THROW(flow.Integrate(field, field), Error);
  EXPECT_THROW(flow.Integrate(velocity, Field(velocity.View().Component(3), lattice, 3)), Error);
  flow.Integrate(velocity, field, false, false);
  EXPECT_NO_THROW(flow.Tangent(direction, field, workspace.Data()));
  EXPECT_THROW(flow.Adjoint(field, direction, false, workspace.Data()), Error); // before PlanAdjoint
  flow.PlanAdjoint();
  EXPECT_NO_THROW(flow.Tangent(direction, field, workspace.Data()));
  EXPECT_NO_THROW(flow.Adjoint(field, direction, false, workspace.Data()));
  EXPECT_THROW(flow.Tangent(field, field, workspace.Data()), Error);
  EXPECT_THROW(flow.Tangent(direction, Field(direction.View().data, lattice, 3), workspace.Data()), Error);
  EXPECT_THROW(flow.Adjoint(field, velocity, false, workspace.Data()), Error);
  EXPECT_THROW(flow.Adjoint(Field(direction.View().data, lattice, 3), direction, false, workspace.Data()), Error);
  EXPECT_THROW(flow.Adjoint(field, direction, false, nullptr), Error);
  EXPECT_THROW(flow.Tangent(direction, field, nullptr), Error);
}
} // namespace test
} // namespace engine
} // namespace itk
