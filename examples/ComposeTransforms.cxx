// SPDX-License-Identifier: Apache-2.0
// Joins two displacement fields on one grid into the field of "first, then second", on a GPU if there is one.
#include "itkGPUDiffeomorphicGeometry.h"
#include "itkImageFileReader.h"
#include "itkImageFileWriter.h"

#include <iostream>

int
main(int argc, char * argv[])
{
  if (argc != 4)
  {
    std::cerr << "usage: " << argv[0] << " first.mha second.mha composed.mha" << std::endl;
    return 1;
  }
  using FieldType = itk::Image<itk::Vector<float, 3>, 3>;
  const auto first = itk::ReadImage<FieldType>(argv[1]);
  const auto second = itk::ReadImage<FieldType>(argv[2]);
  if (!itk::GPUDiffeomorphicGeometry::HaveSameGrid<3>(first, second))
  {
    std::cerr << "the fields are on different grids" << std::endl;
    return 1;
  }
  // The engine works in voxels of the grid, and may write over what it read.
  namespace Geometry = itk::GPUDiffeomorphicGeometry;
  itk::GPUDiffeomorphicEngine::Compose("auto",
                                       Geometry::GetIndexVectors(second.GetPointer()),
                                       Geometry::GetIndexVectors(first.GetPointer()),
                                       Geometry::GetSize<3>(first.GetPointer()),
                                       Geometry::GetPhysicalVectors(first.GetPointer()));
  itk::WriteImage(first.GetPointer(), argv[3]);
  return 0;
}
