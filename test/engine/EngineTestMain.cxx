// SPDX-License-Identifier: Apache-2.0
#include "EngineTesting.h"

#include <iostream>
#include <string>

// GPUDiffeomorphicRegistrationEngineTest [--device cpu|cuda|cuda:N] [GoogleTest's options]
// Exit code 77 (CTest: skipped) when a GPU is asked for and none is usable.
int
main(int argc, char * argv[])
{
  ::testing::InitGoogleTest(&argc, argv);
  std::string name = "cpu";
  for (int i = 1; i < argc; ++i)
  {
    if (std::string(argv[i]) == "--device" && i + 1 < argc)
    {
      name = argv[++i];
    }
    else
    {
      std::cerr << "unknown argument " << argv[i] << std::endl;
      return 2;
    }
  }
  try
  {
    itk::engine::test::OpenTestDevice(name);
  }
  catch (const itk::engine::Error & error)
  {
    std::cerr << "device " << name << ": " << error.what() << std::endl;
    return name == "cpu" ? 2 : 77;
  }
  std::cout << "device " << itk::engine::test::TestDevice().Name() << " ("
            << itk::engine::test::TestDevice().Description() << ")" << std::endl;
  return RUN_ALL_TESTS();
}
