// SPDX-License-Identifier: Apache-2.0
// FFTW does the transforms of whole planes, and of blocks of neighbouring columns across the planes, in scratch memory of a
// thread: aligned whatever the field is, so that the bits do not depend on where it lies; cut by the size alone, so that
// they do not depend on the number of threads, as plans of FFTW for several threads do; and the columns of a block,
// far apart in the spectrum, are together in the cache. Plans are estimated: measured ones differ from run to run.
// Floor per voxel: 8 bytes for the planes, 8 for the columns.
#include "../Operators/FourierPlans.h"

#if defined(ITK_ENGINE_FFTW)
#  include "Parallel.h"

#  include <fftw3.h>

#  include <cstring>
#  include <mutex>
#endif

namespace itk
{
namespace engine
{
namespace cpu
{
#if defined(ITK_ENGINE_FFTW)
static_assert(sizeof(Complex) == sizeof(fftwf_complex), "layout of complex numbers");

namespace
{
/** So that scratch memory is aligned for every instruction set. */
struct alignas(64) ScratchLine
{
  float values[16];
};

float *
AlignedScratch(std::int64_t floats)
{
  return ThreadScratch<ScratchLine>(static_cast<std::size_t>((floats + 15) / 16))->values;
}

/** FFTW's planner has a state. */
std::mutex &
PlannerMutex()
{
  static std::mutex mutex;
  return mutex;
}

class Plan
{
public:
  template <typename TMake>
  explicit Plan(const TMake & make)
  {
    const std::lock_guard<std::mutex> lock(PlannerMutex());
    m_Plan = make();
    if (!m_Plan)
    {
      ThrowError("FourierTransform: FFTW made no plan");
    }
  }
  Plan(const Plan &) = delete;
  Plan &
  operator=(const Plan &) = delete;
  ~Plan()
  {
    const std::lock_guard<std::mutex> lock(PlannerMutex());
    fftwf_destroy_plan(m_Plan);
  }
  operator fftwf_plan() const { return m_Plan; }

private:
  fftwf_plan m_Plan = nullptr;
};

fftwf_complex *
AsComplex(float * values)
{
  return reinterpret_cast<fftwf_complex *>(values);
}

/** Columns that are transformed together: 128 bytes of each plane. */
constexpr int BlockWidth = 16;

class Plans : public FourierPlans
{
public:
  explicit Plans(const Lattice & lattice)
    : m_Width(lattice.size[0])
    , m_ModesOfRow(lattice.size[0] / 2 + 1)
    // rows are the planes of a 2D lattice, so that there is something to share among threads
    , m_Rows(lattice.size[2] == 1 ? 1 : lattice.size[1])
    , m_Planes(lattice.size[2] == 1 ? lattice.size[1] : lattice.size[2])
    , m_PlaneForward([this] {
      float * const plane = PlaneScratch();
      return fftwf_plan_dft_r2c_2d(m_Rows, m_Width, plane, AsComplex(plane), FFTW_ESTIMATE);
    })
    , m_PlaneInverse([this] {
      float * const plane = PlaneScratch();
      return fftwf_plan_dft_c2r_2d(m_Rows, m_Width, AsComplex(plane), plane, FFTW_ESTIMATE);
    })
    , m_ColumnsForward([this] { return MakeColumns(FFTW_FORWARD); })
    , m_ColumnsInverse([this] { return MakeColumns(FFTW_BACKWARD); })
  {}

  std::int64_t
  Workspace() const override
  {
    return 0;
  }

  void
  Forward(const float * field, Complex * spectrum, float *) const override
  {
    ParallelFor(m_Planes, [&](std::int64_t z) {
      float * const       plane = PlaneScratch();
      const float * const source = field + z * m_Rows * m_Width;
      for (std::int64_t y = 0; y < m_Rows; ++y)
      {
        std::memcpy(plane + y * 2 * m_ModesOfRow, source + y * m_Width, sizeof(float) * m_Width);
      }
      fftwf_execute_dft_r2c(m_PlaneForward, plane, AsComplex(plane));
      std::memcpy(spectrum + z * ModesOfPlane(), plane, sizeof(Complex) * ModesOfPlane());
    });
    TransformColumns(m_ColumnsForward, spectrum);
  }

  void
  Inverse(Complex * spectrum, float * field, float *) const override
  {
    TransformColumns(m_ColumnsInverse, spectrum);
    ParallelFor(m_Planes, [&](std::int64_t z) {
      float * const plane = PlaneScratch();
      std::memcpy(plane, spectrum + z * ModesOfPlane(), sizeof(Complex) * ModesOfPlane());
      fftwf_execute_dft_c2r(m_PlaneInverse, AsComplex(plane), plane);
      float * const target = field + z * m_Rows * m_Width;
      for (std::int64_t y = 0; y < m_Rows; ++y)
      {
        std::memcpy(target + y * m_Width, plane + y * 2 * m_ModesOfRow, sizeof(float) * m_Width);
      }
    });
  }

private:
  std::int64_t
  ModesOfPlane() const
  {
    return static_cast<std::int64_t>(m_ModesOfRow) * m_Rows;
  }

  float *
  PlaneScratch() const
  {
    return AlignedScratch(2 * ModesOfPlane());
  }

  float *
  ColumnScratch() const
  {
    return AlignedScratch(std::int64_t{ 2 } * BlockWidth * m_Planes);
  }

  fftwf_plan
  MakeColumns(int sign) const
  {
    fftwf_complex * const columns = AsComplex(ColumnScratch());
    return fftwf_plan_many_dft(1,
                               &m_Planes,
                               BlockWidth,
                               columns,
                               nullptr,
                               BlockWidth,
                               1,
                               columns,
                               nullptr,
                               BlockWidth,
                               1,
                               sign,
                               FFTW_ESTIMATE);
  }

  void
  TransformColumns(const Plan & plan, Complex * spectrum) const
  {
    if (m_Planes == 1)
    {
      return;
    }
    const std::int64_t plane = ModesOfPlane();
    ParallelFor((plane + BlockWidth - 1) / BlockWidth, [&](std::int64_t block) {
      float * const     columns = ColumnScratch();
      Complex * const   first = spectrum + block * BlockWidth;
      const std::size_t bytes =
        sizeof(Complex) * static_cast<std::size_t>(std::min<std::int64_t>(BlockWidth, plane - block * BlockWidth));
      if (bytes < sizeof(Complex) * BlockWidth)
      {
        std::memset(columns, 0, sizeof(Complex) * BlockWidth * m_Planes);
      }
      for (int z = 0; z < m_Planes; ++z)
      {
        std::memcpy(columns + 2 * BlockWidth * z, first + z * plane, bytes);
      }
      fftwf_execute_dft(plan, AsComplex(columns), AsComplex(columns));
      for (int z = 0; z < m_Planes; ++z)
      {
        std::memcpy(first + z * plane, columns + 2 * BlockWidth * z, bytes);
      }
    });
  }

  int  m_Width;
  int  m_ModesOfRow;
  int  m_Rows;
  int  m_Planes;
  Plan m_PlaneForward;
  Plan m_PlaneInverse;
  Plan m_ColumnsForward;
  Plan m_ColumnsInverse;
};
} // namespace

std::unique_ptr<FourierPlans>
MakeFourierPlans(const Device &, const Lattice & lattice)
{
  return std::make_unique<Plans>(lattice);
}
#else
std::unique_ptr<FourierPlans>
MakeFourierPlans(const Device &, const Lattice &)
{
  ThrowError("FourierTransform: this build has no FFTW, which Fourier transforms on the CPU need. Install it (Debian: "
             "libfftw3-dev) and build with GPUDiffeomorphicRegistration_USE_FFTW=ON");
}
#endif
} // namespace cpu
} // namespace engine
} // namespace itk
