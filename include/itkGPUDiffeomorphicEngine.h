/*=========================================================================
 *
 *  Copyright NumFOCUS
 *
 *  Licensed under the Apache License, Version 2.0 (the "License");
 *  you may not use this file except in compliance with the License.
 *  You may obtain a copy of the License at
 *
 *         http://www.apache.org/licenses/LICENSE-2.0.txt
 *
 *  Unless required by applicable law or agreed to in writing, software
 *  distributed under the License is distributed on an "AS IS" BASIS,
 *  WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 *  See the License for the specific language governing permissions and
 *  limitations under the License.
 *
 *=========================================================================*/
#ifndef itkGPUDiffeomorphicEngine_h
#define itkGPUDiffeomorphicEngine_h

#include "GPUDiffeomorphicRegistrationExport.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <type_traits>
#include <vector>

namespace itk
{
/** \class GPUDiffeomorphicEngine
 * \brief The facade through which the templates of this module reach the non-template engine.
 *
 * Everything here is in index space, x fastest, 2D images as volumes of depth 1. Images and fields are the memory that
 * programs hold, of any type of number, and are converted on the device; on the CPU, nothing is copied that need not be
 * converted. A plain pointer to float stands for an image of float and for interleaved vectors of 3 components (x, y, z
 * of one voxel together, in 2D too) in voxels of their own grid. Devices are named "auto" (a GPU if one works,
 * else the CPU), "cpu", "cuda" or "cuda:N"; where the environment variable ITK_GPU_DIFFEOMORPHIC_DEVICE is set, "auto" is
 * what it says, for programs that do not choose themselves. Every function throws itk::ExceptionObject on bad input, a
 * CUDA error or too little memory. Results are deterministic: same input, same device, same bits.
 *
 * \ingroup GPUDiffeomorphicRegistration
 */
class GPUDiffeomorphicRegistration_EXPORT GPUDiffeomorphicEngine
{
public:
  using SizeType = std::array<int, 3>;
  using FactorsType = std::array<int, 3>;
  using ScalesType = std::array<double, 3>;
  /** Rows [A | b] of a map from one index space to another. */
  using AffineType = std::array<std::array<double, 4>, 3>;
  using MatrixType = std::array<std::array<double, 3>, 3>;

  static AffineType
  IdentityAffine();
  static MatrixType
  IdentityMatrix();

  /** The type of the numbers that an image is made of. */
  enum class PixelEnum : unsigned char
  {
    Int8,
    UInt8,
    Int16,
    UInt16,
    Int32,
    UInt32,
    Int64,
    UInt64,
    Float32,
    Float64
  };

  template <typename TPixel>
  static constexpr PixelEnum
  GetPixelEnum()
  {
    static_assert(std::is_arithmetic<TPixel>::value && sizeof(TPixel) <= 8, "numbers of at most 64 bits");
    if (std::is_floating_point<TPixel>::value)
    {
      return sizeof(TPixel) == 4 ? PixelEnum::Float32 : PixelEnum::Float64;
    }
    constexpr int rank = sizeof(TPixel) == 1 ? 0 : (sizeof(TPixel) == 2 ? 2 : (sizeof(TPixel) == 4 ? 4 : 6));
    return static_cast<PixelEnum>(rank + (std::is_signed<TPixel>::value ? 0 : 1));
  }

  /** A scalar image to read (const void) or to write (void). Integers are written rounded, halves upwards, and end at
   * the least and the largest of the type. */
  template <typename TVoid>
  struct PixelsOf
  {
    TVoid *   data{ nullptr };
    PixelEnum type{ PixelEnum::Float32 };

    PixelsOf() = default;
    PixelsOf(std::nullptr_t) {}
    template <typename TPixel, typename = std::enable_if_t<std::is_arithmetic<TPixel>::value>>
    PixelsOf(TPixel * pixels)
      : data(pixels)
      , type(GetPixelEnum<std::remove_const_t<TPixel>>())
    {}
    explicit operator bool() const { return data != nullptr; }
  };
  using InputPixels = PixelsOf<const void>;
  using OutputPixels = PixelsOf<void>;

  /** Interleaved vectors, likewise. What the function takes is `matrix` times a vector that is read; what it gives is
   * multiplied by it before it is written. */
  template <typename TVoid>
  struct VectorsOf : PixelsOf<TVoid>
  {
    int        components{ 3 }; ///< 2 or 3; of 2 the matrix has two rows and columns that count
    MatrixType matrix{ IdentityMatrix() };

    VectorsOf() = default;
    VectorsOf(std::nullptr_t) {}
    template <typename TScalar, typename = std::enable_if_t<std::is_floating_point<TScalar>::value>>
    VectorsOf(TScalar * vectors, int numberOfComponents = 3, const MatrixType & factor = IdentityMatrix())
      : PixelsOf<TVoid>(vectors)
      , components(numberOfComponents)
      , matrix(factor)
    {}
  };
  using OutputVectors = VectorsOf<void>;

  /** Those to read may be a block of a larger field. */
  struct InputVectors : VectorsOf<const void>
  {
    using VectorsOf<const void>::VectorsOf;

    SizeType fieldSize{ { 0, 0, 0 } };  ///< of the larger field; 0: the vectors are the whole
    SizeType blockStart{ { 0, 0, 0 } }; ///< where the block begins in it
  };

  struct DeviceInformation
  {
    std::string name;
    std::string description;
    std::size_t totalBytes{ 0 };
    std::size_t freeBytes{ 0 };
    bool        usable{ true };
    std::string problem;
  };

  /** The CPU and every GPU the driver reports. */
  static std::vector<DeviceInformation>
  GetDevices();

  /** The device that a name stands for ("auto" -> "cuda:0" or "cpu"); throws if it is not there. */
  static std::string
  ResolveDevice(const std::string & name);

  enum class MetricEnum : unsigned char
  {
    LocalNormalizedCrossCorrelation,
    MeanSquares,
    MutualInformation ///< Mattes', as in ITK
  };

  /** How a smoothed gradient g becomes a step: Adam's moments; g divided by its length at each voxel; or Levenberg's
   * damped g / (|g|^2 + damping), whose damping grows while the metric gets worse and shrinks while it improves. */
  enum class StepRuleEnum : unsigned char
  {
    Adam,
    NormalizedGradient,
    Levenberg
  };

  /** What the iterations change: the displacement by composition with small steps, which stays diffeomorphic; a
   * stationary velocity whose exponential is the displacement; or the displacement by addition of steps (free-form),
   * which only the folding guard keeps invertible. */
  enum class ParametrizationEnum : unsigned char
  {
    Compositive,
    StationaryVelocity,
    Additive
  };

  /** One more pair of images, of the same sizes and under the same masks. */
  struct Channel
  {
    InputPixels fixedImage;
    InputPixels movingImage;
    double      weight{ 1.0 }; ///< of its metric
  };

  /** Two images and how they start. The pointers must stay valid during the call. */
  struct Problem
  {
    SizeType              fixedSize{ { 1, 1, 1 } };
    SizeType              movingSize{ { 1, 1, 1 } };
    InputPixels           fixedImage;
    InputPixels           movingImage;
    const unsigned char * fixedMask{ nullptr };  ///< optional, fixedSize; 0 leaves a voxel out
    const unsigned char * movingMask{ nullptr }; ///< optional, movingSize
    AffineType            affine{};              ///< fixed index -> moving index, applied after the displacement
    OutputVectors         displacement;          ///< where to write the result: fixed grid, fixed voxels times its matrix
    OutputVectors         inverseDisplacement;   ///< likewise its inverse; without it none is computed
    std::vector<Channel>  moreChannels;          ///< up to 15; the metric is the mean over all pairs, by their weights
    double                weight{ 1.0 };         ///< of the first pair
  };

  /** Settings of one resolution level. Sigmas are in voxels of the full-resolution images. */
  struct Level
  {
    FactorsType shrinkFactors{ { 1, 1, 1 } };
    ScalesType  fixedSigmas{ { 0, 0, 0 } };
    ScalesType  movingSigmas{ { 0, 0, 0 } };
    int         iterations{ 50 };
  };

  struct GreedyParameters
  {
    MetricEnum         metric{ MetricEnum::LocalNormalizedCrossCorrelation };
    SizeType           radius{ { 3, 3, 3 } };      ///< of LNCC's window
    int                numberOfBins{ 32 };         ///< of mutual information's histogram, 8 to 256
    std::vector<Level> levels;
    double             learningRate{ 0.5 };         ///< largest displacement of one iteration, voxels of the level
    int                stepReductions{ 0 };         ///< how often a converged level goes on with half the learning rate
    double             updateFieldVariance{ 2.0 };  ///< Gaussian of the gradient, voxels^2 of the level
    double             totalFieldVariance{ 0.3 };   ///< Gaussian of the displacement, voxels^2 of the level
    double             diffusionWeight{ 0.0 };      ///< of a penalty of the field's roughness, added to the metric
    double             volumeWeight{ 0.0 };         ///< of a penalty of the map's change of volume, likewise
    double             convergenceThreshold{ 1e-6 };
    unsigned int       convergenceWindowSize{ 10 };
    StepRuleEnum       stepRule{ StepRuleEnum::Adam };
    ParametrizationEnum parametrization{ ParametrizationEnum::Compositive };
    int                squarings{ 7 };              ///< of the stationary velocity's exponential
    double             beta1{ 0.9 };
    double             beta2{ 0.99 };
    double             epsilon{ 0.1 };
    double             damping{ 0.01 };             ///< Levenberg's first
    double             minimumJacobian{ 0.1 };      ///< the folding guard's threshold; 0 or less: no guard
    double             varianceFloor{ 1e-7 };       ///< of LNCC, images being scaled to [0, 1]
  };

  /** State after an iteration, for observers. `iteration` counts from 1 within the level. */
  struct Progress
  {
    unsigned int level{ 0 };
    unsigned int iteration{ 0 };
    unsigned int iterationsOfLevel{ 0 };
    double       metricValue{ 0.0 };
    double       convergenceValue{ 0.0 };
    bool         startsLevel{ false }; ///< called before the first iteration of a level; the values are not set
  };
  /** Returns false to cancel. */
  using ProgressCallback = std::function<bool(const Progress &)>;

  struct LevelReport
  {
    SizeType            size{ { 1, 1, 1 } };
    std::vector<double> metricValues; ///< one per iteration, before that iteration's step
    double              seconds{ 0.0 };
    bool                converged{ false };
  };

  struct Result
  {
    double                   inverseMeanResidual{ 0.0 };
    double                   inverseMaximumResidual{ 0.0 };
    double                   minimumJacobian{ 1.0 }; ///< of x + displacement, over the fixed grid
    std::size_t              foldedVoxels{ 0 };
    double                   initialMetricValue{ 0.0 }; ///< at full resolution, before the first step
    double                   finalMetricValue{ 0.0 };   ///< at full resolution, of the result
    std::vector<LevelReport> levels;
    std::string              device;
    std::string              deviceDescription;
    std::size_t              peakDeviceBytes{ 0 };
    double                   prepareSeconds{ 0.0 };  ///< opening the device and planning
    double                   uploadSeconds{ 0.0 };   ///< images to the device, and their scaling there
    double                   seconds{ 0.0 };         ///< images resident on the device to final field
    double                   downloadSeconds{ 0.0 }; ///< fields to the host's memory, conversion included
    bool                     cancelled{ false };     ///< and then no field was written
  };

  /** Greedy diffeomorphic registration: finds u so that moving(A (x + u(x))) matches fixed(x). */
  static Result
  RegisterGreedy(const std::string &      device,
                 const Problem &          problem,
                 const GreedyParameters & parameters,
                 const ProgressCallback & progress = ProgressCallback());

  enum class InterpolationEnum : unsigned char
  {
    NearestNeighbor,
    Linear,
    CubicBSpline,
    Label ///< the value whose voxels have the largest linear weight; equal weights: the smaller value
  };

  /** output(x) = image(A x + B u(x)), `outsideValue` outside the image (ITK's half-voxel rim counts as inside).
   * `displacement` is on the output grid or null. Labels are images of float. For a batch, call it once per image or
   * field. */
  static void
  Warp(const std::string &  device,
       const InputPixels &  image,
       const SizeType &     imageSize,
       const AffineType &   affine,
       const MatrixType &   displacementMatrix,
       const InputVectors & displacement,
       InterpolationEnum    interpolation,
       float                outsideValue,
       const SizeType &     outputSize,
       const OutputPixels & output);

  /** The same for labels, by InterpolationEnum::Label. `weights`: optional, on the output grid: the weight that won,
   * 0 outside. */
  static void
  WarpLabels(const std::string &  device,
             const std::int32_t * labels,
             const SizeType &     imageSize,
             const AffineType &   affine,
             const MatrixType &   displacementMatrix,
             const InputVectors & displacement,
             std::int32_t         outsideLabel,
             const SizeType &     outputSize,
             std::int32_t *       output,
             float *              weights = nullptr);

  /** det(1 + toIndex du/dx) on the field's grid; `toIndex` turns the vectors into voxels. The output may be a block of
   * the grid. */
  static void
  JacobianDeterminant(const std::string &  device,
                      const InputVectors & displacement,
                      const SizeType &     size,
                      const MatrixType &   toIndex,
                      const OutputPixels & output,
                      const SizeType &     outputStart,
                      const SizeType &     outputSize);

  /** The same with the whole grid as output. */
  static void
  JacobianDeterminant(const std::string &  device,
                      const InputVectors & displacement,
                      const SizeType &     size,
                      const MatrixType &   toIndex,
                      const OutputPixels & output);

  // The results of the following may be written over their inputs.

  /** How a field is inverted; the defaults are this module's, the comments say what is ITK's. */
  struct InversionParameters
  {
    int    maximumIterations{ 20 };
    double meanTolerance{ 0.001 };
    double maximumTolerance{ 0.1 };
    /** Turns the vectors into voxels; tolerances and residuals are in the unit of the vectors. ITK's is the physical
     * component divided by the spacing of its axis. */
    MatrixType toIndex{ { { { 1, 0, 0 } }, { { 0, 1, 0 } }, { { 0, 0, 1 } } } };
    bool       clampOutside{ true };        ///< u continues with its edge values outside; false: 0, as in ITK
    int        zeroBoundaryAxes{ 0 };       ///< v = 0 on the first and last planes of this many axes; ITK: all
    bool       stepAfterTolerance{ false }; ///< ITK's order: one more step after the residual that is good enough
    InputVectors initialEstimate;
  };

  /** Inverse v of a displacement field u; returns mean and maximum of |v + u o (1 + v)| (with stepAfterTolerance those
   * before the last step). */
  static std::array<double, 2>
  Invert(const std::string &         device,
         const InputVectors &        displacement,
         const SizeType &            size,
         const InversionParameters & parameters,
         const OutputVectors &       inverse);

  /** The same by Newton's method at each voxel, to 1e-3 voxel where there is an inverse, u continued by its edge values. */
  static std::array<double, 2>
  InvertByNewton(const std::string &   device,
                 const InputVectors &  displacement,
                 const SizeType &      size,
                 const OutputVectors & inverse);

  /** output(x) = inner(x) + outer(x + innerStart + inner(x)), outer = 0 outside its grid (ITK's half-voxel rim counts as
   * inside). The inner field and the output may be a block of the outer field's grid that begins at innerStart. */
  static void
  Compose(const std::string &   device,
          const InputVectors &  outer,
          const SizeType &      outerSize,
          const InputVectors &  inner,
          const SizeType &      innerSize,
          const SizeType &      innerStart,
          const OutputVectors & output);

  /** The same with both fields on one grid. */
  static void
  Compose(const std::string &   device,
          const InputVectors &  outer,
          const InputVectors &  inner,
          const SizeType &      size,
          const OutputVectors & output);

  /** Displacement of the flow of a velocity in voxels, by scaling and squaring: u <- scale velocity / 2^squarings, then
   * `squarings` times u <- u + u o (1 + u). Outside the grid u continues with its edge values (ITK), or is 0. */
  static void
  Exponential(const std::string &   device,
              const InputVectors &  velocity,
              const SizeType &      size,
              int                   squarings,
              double                scale,
              bool                  clampOutside,
              const OutputVectors & output);
};
} // namespace itk

#endif
