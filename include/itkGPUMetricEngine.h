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
#ifndef itkGPUMetricEngine_h
#define itkGPUMetricEngine_h

#include "itkGPUDiffeomorphicEngine.h"

#include <memory>

namespace itk
{
/** \class GPUMetricEngine
 * \brief The facade through which the metrics of this module reach the engine.
 *
 * Evaluates ITK's v4 metrics on a virtual grid as ITK defines them, in double precision, on one device, where it keeps the
 * images from one evaluation to the next. Index space as in GPUDiffeomorphicEngine. Every function throws
 * itk::ExceptionObject on bad input, a CUDA error or too little memory. Not for use by two threads at once.
 *
 * \ingroup GPUDiffeomorphicRegistration
 */
class GPUDiffeomorphicRegistration_EXPORT GPUMetricEngine
{
public:
  using SizeType = GPUDiffeomorphicEngine::SizeType;
  using AffineType = GPUDiffeomorphicEngine::AffineType;
  using MatrixType = GPUDiffeomorphicEngine::MatrixType;
  using MetricEnum = GPUDiffeomorphicEngine::MetricEnum;

  /** Where the gradient of the moving image comes from: central differences half a spacing to either side along the
   * physical axes; an image of gradients; the linear interpolant itself. */
  enum class GradientEnum : unsigned char
  {
    CentralDifference,
    GradientImage,
    Interpolant
  };

  /** What becomes of an interpolated value before a metric sees it: ITK stores it in the pixel type. */
  enum class RoundingEnum : unsigned char
  {
    None,
    ToFloat,
    Truncate
  };

  /** The buffers are copied. Exactly one of each pair of pointers is set, the same of both images. */
  struct Images
  {
    int            dimension{ 3 };
    SizeType       fixedSize{ { 1, 1, 1 } };
    SizeType       movingSize{ { 1, 1, 1 } };
    const float *  fixedFloats{ nullptr };
    const float *  movingFloats{ nullptr };
    const double * fixedDoubles{ nullptr };
    const double * movingDoubles{ nullptr };
    const double * movingGradient{ nullptr }; ///< optional: `dimension` physical components interleaved, movingSize
  };

  /** Virtual index and physical displacement -> index of an image. */
  struct Map
  {
    AffineType     affine{};                ///< of the virtual index
    MatrixType     displacementMatrix{};    ///< of the displacement, physical vector -> index vector
    const double * displacement{ nullptr }; ///< optional: `dimension` components interleaved, virtualSize
  };

  struct Evaluation
  {
    MetricEnum            metric{ MetricEnum::LocalNormalizedCrossCorrelation };
    int                   dimension{ 3 };
    SizeType              virtualSize{ { 1, 1, 1 } };
    Map                   fixedMap;
    Map                   movingMap;
    const unsigned char * mask{ nullptr }; ///< optional, virtualSize; 0 leaves a voxel out
    /** Optional: 0 at the nearest voxel, or none there, leaves out what is mapped to it. */
    const unsigned char * movingMask{ nullptr };
    SizeType              movingMaskSize{ { 1, 1, 1 } };
    AffineType            movingMaskAffine{}; ///< index of the moving image -> index of its mask
    RoundingEnum          fixedRounding{ RoundingEnum::None };
    RoundingEnum          movingRounding{ RoundingEnum::None };

    bool         derivative{ false };
    GradientEnum gradient{ GradientEnum::CentralDifference };
    MatrixType   halfStep{};       ///< column d: half a spacing along physical axis d in voxels of the moving image
    std::array<double, 3> spacing{ { 1.0, 1.0, 1.0 } };
    std::array<bool, 3> lowInside{ { true, true, true } };     ///< ends of differences at -0.5 exactly are inside
    std::array<bool, 3> highInside{ { false, false, false } }; ///< the same at size - 0.5
    MatrixType   gradientMatrix{}; ///< what is done to the gradient before it is multiplied by the slope
    double *     local{ nullptr }; ///< if set, `dimension` values per virtual voxel are added here
    bool         sums{ false };    ///< if true, Result::sums is computed

    SizeType radius{ { 2, 2, 2 } };         ///< of the correlation's window
    double   epsilon{ 2.220446049250313e-16 }; ///< products of variances up to this count as correlation 1
    bool     allWindows{ false };           ///< derivative of all windows that hold a voxel, not of its own alone

    int    numberOfBins{ 50 }; ///< of Mattes' histogram, and how intensities fall in it
    double fixedBinSize{ 1.0 };
    double fixedNormalizedMinimum{ 0.0 };
    double movingBinSize{ 1.0 };
    double movingNormalizedMinimum{ 0.0 };
    double movingMinimum{ 0.0 };
    double movingMaximum{ 0.0 };
  };

  struct Result
  {
    double      sum{ 0.0 }; ///< of correlations, of squared differences, or the mutual information
    std::size_t numberOfValidPoints{ 0 };
    /** Row i: sums over the voxels of g_i (x, y, z, 1), g what `local` would get, x the virtual index. */
    std::array<std::array<double, 4>, 3> sums{};
  };

  explicit GPUMetricEngine(const std::string & device);
  GPUMetricEngine(const GPUMetricEngine &) = delete;
  GPUMetricEngine &
  operator=(const GPUMetricEngine &) = delete;
  ~GPUMetricEngine();

  /** "cpu" or "cuda:N". */
  std::string
  GetDeviceName() const;

  void
  SetImages(const Images & images);

  Result
  Evaluate(const Evaluation & evaluation);

private:
  struct State;
  std::unique_ptr<State> m_State;
};
} // namespace itk

#endif
