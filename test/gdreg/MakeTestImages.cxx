// SPDX-License-Identifier: Apache-2.0
// MakeTestImages <folder>: the small images, good and bad, that the test of gdreg works on.
#include "../itkGPUDiffeomorphicTesting.h"

#include "itkAffineTransform.h"
#include "itkBSplineTransform.h"
#include "itkCompositeTransform.h"
#include "itkImageFileWriter.h"
#include "itkRGBPixel.h"
#include "itkTransformFileWriter.h"

#include <fstream>
#include <iomanip>
#include <limits>

using namespace GPUDiffeomorphicTesting;

namespace
{
std::string folder;

template <typename TImage>
void
Write(const TImage * image, const std::string & name)
{
  auto writer = itk::ImageFileWriter<TImage>::New();
  writer->SetInput(image);
  writer->SetFileName(folder + "/" + name);
  writer->SetUseCompression(true);
  writer->Update();
}

/** A pair that differs by an affine map and a smooth warp, on different oblique grids, with labels and landmarks. */
template <unsigned int VDimension>
typename itk::Image<float, VDimension>::Pointer
WritePair()
{
  using ImageType = itk::Image<float, VDimension>;
  using LabelType = itk::Image<unsigned char, VDimension>;
  using PointType = typename ImageType::PointType;
  const bool        flat = VDimension == 2;
  const std::string suffix = flat ? "2" : "3";
  auto              fixed = MakeGrid<ImageType>(
    flat ? std::vector<int>{ 72, 64 } : std::vector<int>{ 48, 44, 40 }, { 1.1, 0.9, 1.3 }, -20.0, 0.2);
  auto moving = MakeGrid<ImageType>(
    flat ? std::vector<int>{ 90, 84 } : std::vector<int>{ 56, 60, 46 }, { 1.0, 1.1, 1.2 }, -18.0, -0.1);
  const PointType fixedCentre = Centre(fixed.GetPointer());
  // nearly concentric, so that a registration without a linear stage has a chance
  typename ImageType::PointType origin = moving->GetOrigin() + (fixedCentre - Centre(moving.GetPointer()));
  origin[0] += 0.8;
  origin[1] -= 0.6;
  moving->SetOrigin(origin);
  const PointType movingCentre = Centre(moving.GetPointer());
  const double    extent = flat ? 50.0 : 40.0;
  auto            linear = itk::AffineTransform<double, VDimension>::New();
  linear->SetCenter(fixedCentre);
  linear->Scale(1.06);
  linear->Translate(movingCentre - fixedCentre);
  const auto map = [&](const PointType & point) {
    return linear->TransformPoint(point + SmoothDisplacement<VDimension>(point, fixedCentre, extent, 2.0));
  };

  // an ellipsoid with texture on a dark ground, as a head is
  const Phantom<VDimension> phantom(movingCentre, 1.1 * extent, 7);
  const auto                inside = [&](const PointType & point) {
    double square = 0.0;
    for (unsigned int d = 0; d < VDimension; ++d)
    {
      const double t = (point[d] - movingCentre[d]) / (extent * (0.36 + 0.05 * d));
      square += t * t;
    }
    return square;
  };
  const auto intensity = [&](const PointType & point) {
    const double edge = 1.0 / (1.0 + std::exp(12.0 * (inside(point) - 1.0)));
    return static_cast<float>(edge * (40.0 + phantom(point)));
  };
  const auto label = [&](const PointType & point) {
    return static_cast<unsigned char>(inside(point) > 1.0 ? 0 : (point[0] < movingCentre[0] ? 1 : 2));
  };
  Fill<ImageType>(moving, intensity);
  Fill<ImageType>(fixed, [&](const PointType & point) { return intensity(map(point)); });
  Write(fixed.GetPointer(), "fixed" + suffix + ".nii.gz");
  Write(moving.GetPointer(), "moving" + suffix + ".nii.gz");

  auto fixedLabels = LabelType::New();
  auto movingLabels = LabelType::New();
  fixedLabels->CopyInformation(fixed);
  fixedLabels->SetRegions(fixed->GetBufferedRegion());
  fixedLabels->Allocate();
  movingLabels->CopyInformation(moving);
  movingLabels->SetRegions(moving->GetBufferedRegion());
  movingLabels->Allocate();
  Fill<LabelType>(movingLabels, label);
  Fill<LabelType>(fixedLabels, [&](const PointType & point) { return label(map(point)); });
  Write(fixedLabels.GetPointer(), "fixed_labels" + suffix + ".nii.gz");
  Write(movingLabels.GetPointer(), "moving_labels" + suffix + ".nii.gz");
  Fill<LabelType>(fixedLabels,
                  [&](const PointType & point) { return static_cast<unsigned char>(inside(map(point)) < 1.5); });
  Write(fixedLabels.GetPointer(), "fixed_mask" + suffix + ".nii.gz");
  fixedLabels->FillBuffer(0);
  Write(fixedLabels.GetPointer(), "empty_mask" + suffix + ".nii.gz");

  if (!flat)
  {
    std::ofstream fixedPoints(folder + "/points_fixed.csv");
    std::ofstream movingPoints(folder + "/points_moving.csv");
    fixedPoints << "x,y,z\n" << std::setprecision(10);
    movingPoints << "x,y,z\n" << std::setprecision(10);
    std::mt19937 engine(5);
    for (int n = 0; n < 20; ++n)
    {
      PointType point;
      for (unsigned int d = 0; d < VDimension; ++d)
      {
        point[d] = fixedCentre[d] + 0.2 * extent * (engine() / 2147483648.0 - 1.0);
      }
      const PointType mapped = map(point);
      fixedPoints << point[0] << ',' << point[1] << ',' << point[VDimension - 1] << '\n';
      movingPoints << mapped[0] << ',' << mapped[1] << ',' << mapped[VDimension - 1] << '\n';
    }
  }
  return fixed;
}

template <typename TTransform>
void
WriteTransform(const TTransform * transform, const std::string & name)
{
  auto writer = itk::TransformFileWriter::New();
  writer->SetInput(transform);
  writer->SetFileName(folder + "/" + name);
  writer->Update();
}
} // namespace

int
main(int argc, char * argv[])
try
{
  if (argc != 2)
  {
    std::cerr << "usage: MakeTestImages <folder>" << std::endl;
    return 2;
  }
  folder = argv[1];
  WritePair<2>();
  auto image = WritePair<3>();

  // the bad ones
  const float good = image->GetBufferPointer()[5000];
  image->GetBufferPointer()[5000] = std::numeric_limits<float>::quiet_NaN();
  Write(image.GetPointer(), "nan.mha");
  image->GetBufferPointer()[5000] = std::numeric_limits<float>::infinity();
  Write(image.GetPointer(), "infinite.mha");
  image->GetBufferPointer()[5000] = good;
  auto origin = image->GetOrigin();
  origin[0] += 1e4;
  image->SetOrigin(origin);
  Write(image.GetPointer(), "far.mha");
  image->FillBuffer(4.0f);
  Write(image.GetPointer(), "constant.mha");
  auto mask = MakeGrid<itk::Image<unsigned char, 3>>({ 48, 44, 39 }, { 1.1, 0.9, 1.3 }, -20.0, 0.2);
  mask->FillBuffer(1);
  Write(mask.GetPointer(), "other_grid_mask.nii.gz");
  auto four = itk::Image<float, 4>::New();
  four->SetRegions(itk::Size<4>{ { 8, 8, 8, 3 } });
  four->Allocate();
  four->FillBuffer(1.0f);
  four->GetBufferPointer()[7] = 2.0f;
  Write(four.GetPointer(), "4d.nii.gz");
  using ColourType = itk::RGBPixel<unsigned char>;
  auto colour = MakeGrid<itk::Image<ColourType, 2>>({ 20, 16 }, { 1.0, 1.0 }, 0.0, 0.0);
  Write(colour.GetPointer(), "rgb.png");
  auto field2 = MakeGrid<itk::Image<itk::Vector<float, 2>, 2>>({ 20, 16 }, { 1.0, 1.0 }, 0.0, 0.0);
  Write(field2.GetPointer(), "field2.mha");
  std::ofstream(folder + "/text.nii.gz") << "this is not an image\n";
  std::ofstream(folder + "/text.h5") << "this is not a transform\n";
  std::ofstream(folder + "/points_short.csv") << "x,y,z\n1,2,3\n";
  std::ofstream(folder + "/points_bad.csv") << "x,y,z\n1,2,apple\n";
  std::ofstream(folder + "/points_ras.fcsv")
    << "# Markups fiducial file version = 4.11\n# CoordinateSystem = RAS\n# columns = id,x,y,z,label\n"
    << "p,1,2,3,nose\nq,-4,-5,-6,chin\n";
  std::ofstream(folder + "/points_system.fcsv") << "# CoordinateSystem = IJK\np,1,2,3\n";
  std::ofstream(folder + "/points_none.fcsv") << "# CoordinateSystem = LPS\n";
  // 4 TiB by its header
  std::ofstream(folder + "/huge.mhd")
    << "ObjectType = Image\nNDims = 3\nDimSize = 16384 16384 16384\n"
    << "ElementType = MET_UCHAR\nElementSpacing = 1 1 1\nElementDataFile = huge.raw\n";

  auto                                              shift = itk::AffineTransform<double, 3>::New();
  itk::AffineTransform<double, 3>::OutputVectorType offset;
  offset.Fill(1.5);
  shift->Translate(offset);
  WriteTransform(shift.GetPointer(), "shift.tfm");
  shift->SetIdentity();
  WriteTransform(shift.GetPointer(), "identity.tfm");
  offset.Fill(1e5);
  shift->Translate(offset);
  WriteTransform(shift.GetPointer(), "far.tfm");
  auto spline = itk::BSplineTransform<double, 3, 3>::New();
  WriteTransform(spline.GetPointer(), "spline.tfm");
  auto farComposite = itk::CompositeTransform<double, 3>::New();
  farComposite->AddTransform(shift);
  farComposite->AddTransform(spline);
  WriteTransform(farComposite.GetPointer(), "far_composite.h5");
  auto writer = itk::TransformFileWriter::New();
  writer->SetInput(shift);
  writer->AddTransform(spline);
  writer->SetFileName(folder + "/two.tfm");
  writer->Update();
  return 0;
}
catch (const itk::ExceptionObject & error)
{
  std::cerr << error << std::endl;
  return 1;
}
