// SPDX-License-Identifier: Apache-2.0
#include "ReferenceTangent.h"

#include "Solvers/ImageTransport.h"

namespace itk
{
namespace engine
{
namespace test
{
namespace
{
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

VelocityFlowParameters
MakeParameters(int timeSteps, int segments)
{
  VelocityFlowParameters parameters;
  parameters.timeSteps = timeSteps;
  parameters.segments = segments;
  return parameters;
}

/** A transport with its memory and workspace. */
class Transport
{
public:
  Transport(const HostField & images, int timeSteps, int segments)
    : m_Lattice(images.lattice)
    , m_Components(images.components)
    , m_Parameters(MakeParameters(timeSteps, segments))
    , m_Memory(ImageTransport::MemoryFloats(TestDevice(), m_Lattice, m_Components, m_Parameters))
    , m_Transport(TestDevice(), m_Lattice, m_Components, m_Parameters, m_Memory.Data())
    , m_Workspace(ImageTransport::WorkspaceFloats(m_Lattice, m_Components, m_Parameters))
    , m_Velocity(m_Lattice, 3 * segments)
  {
    TestDevice().CopyFromHost(m_Transport.Start().data, images.values.data(), sizeof(float) * images.values.size());
  }

  HostField
  Integrate(const HostField & velocity)
  {
    m_Velocity = DeviceFloats(velocity);
    m_Transport.Integrate(m_Velocity);
    HostField end(m_Lattice, m_Components);
    TestDevice().CopyToHost(end.values.data(), m_Transport.End().data, sizeof(float) * end.values.size());
    return end;
  }
  HostField
  Tangent(const HostField & direction, const HostField * weight = nullptr) const
  {
    const DeviceFloats output(m_Lattice, m_Components);
    const DeviceFloats deviceWeight = weight ? DeviceFloats(*weight) : DeviceFloats(Lattice(1, 1, 1));
    m_Transport.Tangent(
      DeviceFloats(direction), weight ? ConstField(deviceWeight) : ConstField(), output, m_Workspace.Data());
    return output.Download();
  }
  HostField
  Adjoint(const HostField & slope, const HostField * addTo = nullptr)
  {
    const DeviceFloats gradient = addTo ? DeviceFloats(*addTo) : DeviceFloats(m_Lattice, 3 * m_Parameters.segments);
    m_Transport.Adjoint(DeviceFloats(slope), gradient, addTo != nullptr, m_Workspace.Data());
    return gradient.Download();
  }
  ImageTransport &
  Get()
  {
    return m_Transport;
  }

private:
  Lattice                m_Lattice;
  int                    m_Components;
  VelocityFlowParameters m_Parameters;
  Workspace              m_Memory;
  ImageTransport         m_Transport;
  Workspace              m_Workspace;
  DeviceFloats           m_Velocity;
};

/** The definition: each step of Heun's rule at each voxel, each image from the one before. */
HostDoubles
TransportInDouble(const HostDoubles & images, const HostDoubles & velocity, int timeSteps, int segments)
{
  const int       steps = (timeSteps + segments - 1) / segments;
  const double    h = static_cast<double>(1.0f / static_cast<float>(segments * steps));
  const Lattice & lattice = images.lattice;
  HostDoubles     now = images;
  for (int step = 0; step < segments * steps; ++step)
  {
    const int   k = 3 * (step / steps);
    HostDoubles next(lattice, images.components);
    ForEachVoxel(lattice, [&](int x, int y, int z) {
      const Vector3 at{ { double(x), double(y), double(z) } };
      Vector3       middle = at;
      Vector3       from = at;
      for (int d = 0; d < 3; ++d)
      {
        middle[d] -= h * velocity(k + d, x, y, z);
      }
      for (int d = 0; d < 3; ++d)
      {
        from[d] -= 0.5 * h * (velocity(k + d, x, y, z) + InterpolateLinear(velocity, k + d, middle));
      }
      for (int c = 0; c < images.components; ++c)
      {
        next(c, x, y, z) = InterpolateLinear(now, c, from);
      }
    });
    now = next;
  }
  return now;
}

HostField
MakeImages(const Lattice & lattice, int components, double noise)
{
  HostField images(lattice, components);
  for (int c = 0; c < components; ++c)
  {
    const HostField image = MakeImage(lattice, 3 + c, 0.0, noise);
    std::copy(image.values.begin(), image.values.end(), images.values.begin() + c * image.values.size());
  }
  return images;
}

/** Several numbers of steps on small grids, one on the others. */
bool
IsLong(const Lattice & lattice, int timeSteps)
{
  return lattice.NumberOfVoxels() > 216 && timeSteps != 4;
}
} // namespace

TEST(ImageTransport, MatchesDouble)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    const HostField images = MakeImages(lattice, 2, 0.2);
    for (const int segments : { 1, 2, 3 })
    {
      const HostField velocity = MakeVelocity(lattice, segments, 11, 2.5, false);
      for (const int timeSteps : { 1, 3, 4 })
      {
        if (!IsLong(lattice, timeSteps))
        {
          SCOPED_TRACE(testing::Message() << Describe(lattice) << ' ' << segments << " segments, " << timeSteps << " steps");
          Transport transport(images, timeSteps, segments);
          EXPECT_RELATIVE_ERROR(transport.Integrate(velocity),
                                TransportInDouble(ToDoubles(images), ToDoubles(velocity), timeSteps, segments),
                                1e-5);
        }
      }
    }
  }
}

// Checks that the image is that which the map of the same velocity samples, but for the interpolation, and that the
// segments come in the same order.
TEST(ImageTransport, AgreesWithTheMap)
{
  const Lattice   lattice(64, 60, 56);
  const HostField waves = MakeDisplacement(lattice, 5, 1.0);
  HostField       image(lattice);
  std::copy_n(waves.values.begin(), image.values.size(), image.values.begin());
  for (const int segments : { 1, 3 })
  {
    const HostField              velocity = MakeVelocity(lattice, segments, 61, 10.0, true);
    const VelocityFlowParameters parameters = MakeParameters(6, segments);
    const Workspace              memory(VelocityFlow::MemoryFloats(TestDevice(), lattice, parameters));
    VelocityFlow                 flow(TestDevice(), lattice, parameters, memory.Data());
    const auto                   sampled = [&](const HostField & v) {
      const DeviceFloats deviceVelocity(v);
      const DeviceFloats displacement(lattice, 3);
      const DeviceFloats output(lattice);
      ResampleParameters sampling;
      sampling.outside = Outside::Clamp;
      flow.Integrate(deviceVelocity, displacement);
      Resample(TestDevice(), sampling, DeviceFloats(image), displacement, output);
      return output.Download();
    };
    Transport       transport(image, 6, segments);
    const HostField end = transport.Integrate(velocity);
    const HostField expected = sampled(velocity);
    EXPECT_RELATIVE_ERROR(end, expected, 0.05 * RelativeError(image, expected));
    if (segments > 1)
    {
      HostField         reversed = velocity;
      const std::size_t part = reversed.values.size() / 3;
      std::swap_ranges(reversed.values.begin(), reversed.values.begin() + part, reversed.values.begin() + 2 * part);
      EXPECT_GT(RelativeError(end, sampled(reversed)), 5.0 * RelativeError(end, expected));
    }
  }
}

// Checks the derivative against differences of the double reference, which bends where a position crosses a grid plane.
TEST(ImageTransport, TangentMatchesFiniteDifferences)
{
  for (const Lattice & lattice : { Lattice(13, 17, 11), Lattice(19, 16, 1) })
  {
    const HostField images = MakeImages(lattice, 2, 0.0);
    for (const int segments : { 1, 3 })
    {
      HostField velocity = MakeVelocity(lattice, segments, 21, 2.0, false);
      for (float & value : velocity.values)
      {
        value += value == 0.0f ? 0.0f : 0.03f; // away from still points
      }
      const HostField direction = MakeVelocity(lattice, segments, 22, 1.0, false);
      for (const int timeSteps : { 1, 3, 4 })
      {
        SCOPED_TRACE(testing::Message() << Describe(lattice) << ' ' << segments << " segments, " << timeSteps << " steps");
        constexpr double h = 1e-7;
        HostDoubles      low = ToDoubles(velocity);
        HostDoubles      high = low;
        for (std::size_t i = 0; i < low.values.size(); ++i)
        {
          low.values[i] -= h * direction.values[i];
          high.values[i] += h * direction.values[i];
        }
        HostDoubles       difference = TransportInDouble(ToDoubles(images), high, timeSteps, segments);
        const HostDoubles below = TransportInDouble(ToDoubles(images), low, timeSteps, segments);
        const HostField   weight = MakeNoise(lattice, 2, 23, 0.5, 1.5);
        for (std::size_t i = 0; i < below.values.size(); ++i)
        {
          difference.values[i] = weight.values[i] * (difference.values[i] - below.values[i]) / (2 * h);
        }
        Transport transport(images, timeSteps, segments);
        transport.Integrate(velocity);
        EXPECT_RELATIVE_ERROR(transport.Tangent(direction, &weight), difference, 1e-3);
      }
    }
  }
}

// Checks <T a, T a> = <a, T' T a>, with positions on kinks and beyond the border.
TEST(ImageTransport, AdjointIsTheTransposeOfTangent)
{
  for (const Lattice & lattice : EdgeLattices())
  {
    for (const int components : { 1, 2 })
    {
      const HostField images = MakeImages(lattice, components, 0.5);
      for (const int segments : { 1, 2, 3 })
      {
        const HostField velocity = MakeVelocity(lattice, segments, 31, 3.0, false);
        const HostField direction = MakeNoise(lattice, 3 * segments, 32, -1.0, 1.0);
        for (const int timeSteps : { 1, 2, 3, 4, 5 })
        {
          if (IsLong(lattice, timeSteps) || (components == 2 && segments == 3))
          {
            continue;
          }
          SCOPED_TRACE(testing::Message() << Describe(lattice) << ' ' << segments << " segments, " << timeSteps << " steps");
          Transport transport(images, timeSteps, segments);
          transport.Integrate(velocity);
          const HostField tangent = transport.Tangent(direction);
          EXPECT_RELATIVE_NEAR(Dot(transport.Adjoint(tangent), direction), Dot(tangent, tangent), 1e-6);
        }
      }
    }
  }
}

TEST(ImageTransport, AdjointAccumulates)
{
  const Lattice   lattice(17, 13, 6);
  const HostField slope = MakeNoise(lattice, 1, 52, -1.0, 1.0);
  Transport       transport(MakeImages(lattice, 1, 0.2), 6, 2);
  transport.Integrate(MakeVelocity(lattice, 2, 51, 2.0, false));
  const HostField once = transport.Adjoint(slope);
  HostDoubles     expected = ToDoubles(once);
  for (double & value : expected.values)
  {
    value *= 2.0;
  }
  EXPECT_RELATIVE_ERROR(transport.Adjoint(slope, &once), expected, 1e-6);
}

TEST(ImageTransport, ArgumentsAreChecked)
{
  const Lattice      lattice(9, 8, 7);
  Transport          transport(MakeImages(lattice, 1, 0.2), 4, 2);
  const DeviceFloats velocity(lattice, 6);
  const DeviceFloats image(lattice);
  const Workspace    workspace(ImageTransport::WorkspaceFloats(lattice, 1, MakeParameters(4, 2)));
  EXPECT_THROW(transport.Get().Tangent(velocity, ConstField(), image, workspace.Data()), Error);
  EXPECT_THROW(transport.Get().Adjoint(image, velocity, false, workspace.Data()), Error);
  EXPECT_THROW(transport.Get().Integrate(image), Error);
  transport.Integrate(HostField(lattice, 6));
  EXPECT_THROW(transport.Get().Tangent(velocity, image, image, workspace.Data()), Error);
  EXPECT_THROW(transport.Get().Tangent(velocity, ConstField(), image, nullptr), Error);
  EXPECT_THROW(ImageTransport(TestDevice(), lattice, 1, MakeParameters(4, 2), nullptr), Error);
  EXPECT_THROW(ImageTransport::MemoryFloats(TestDevice(), lattice, 0, MakeParameters(4, 2)), Error);
  EXPECT_THROW(ImageTransport::MemoryFloats(TestDevice(), lattice, 1, MakeParameters(0, 2)), Error);
}
} // namespace test
} // namespace engine
} // namespace itk
