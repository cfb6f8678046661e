// SPDX-License-Identifier: Apache-2.0
// cuFFT is loaded when it is first needed: the library has 290 MB, is no part of the driver, and everything but the solvers
// with Fourier transforms runs without.
#include "FourierLibrary.h"

#include "../Core/Error.h"

#include <dlfcn.h>

#include <string>
#include <vector>

namespace itk
{
namespace engine
{
namespace cuda
{
namespace
{
/** The release that was compiled for, then those before and after it, which have these functions too. */
std::vector<std::string>
LibraryNames()
{
  std::vector<std::string> names;
  for (const int major : { CUFFT_VER_MAJOR, 12, 11 })
  {
    const std::string name = "libcufft.so." + std::to_string(major);
    names.push_back(name);
    names.push_back("/usr/local/cuda/lib64/" + name);
  }
  names.push_back("libcufft.so");
  return names;
}

template <typename TFunction>
void
Find(void * library, const char * name, TFunction & function)
{
  function = reinterpret_cast<TFunction>(dlsym(library, name));
  if (!function)
  {
    ThrowError("FourierTransform: the cuFFT library has no function ", name);
  }
}

FourierLibrary
Load()
{
  void *      library = nullptr;
  std::string problem;
  for (const std::string & name : LibraryNames())
  {
    library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library)
    {
      break;
    }
    const char * const reason = dlerror();
    problem = problem.empty() && reason ? reason : problem;
  }
  if (!library)
  {
    ThrowError("FourierTransform: the cuFFT library, which Fourier transforms on a GPU need, cannot be loaded (", problem,
               "). It comes with the CUDA toolkit (package libcufft) and is looked for by its name libcufft.so.",
               CUFFT_VER_MAJOR, ", in LD_LIBRARY_PATH too, and in /usr/local/cuda/lib64");
  }
  FourierLibrary functions{};
  Find(library, "cufftCreate", functions.create);
  Find(library, "cufftDestroy", functions.destroy);
  Find(library, "cufftSetAutoAllocation", functions.setAutoAllocation);
  Find(library, "cufftMakePlanMany", functions.makePlan);
  Find(library, "cufftSetStream", functions.setStream);
  Find(library, "cufftSetWorkArea", functions.setWorkArea);
  Find(library, "cufftExecR2C", functions.executeForward);
  Find(library, "cufftExecC2R", functions.executeInverse);
  Find(library, "cufftExecC2C", functions.executeComplex);
  return functions;
}
} // namespace

const FourierLibrary &
GetFourierLibrary()
{
  // Tried again if it fails, and never closed: plans may outlive everything else.
  static const FourierLibrary functions = Load();
  return functions;
}
} // namespace cuda
} // namespace engine
} // namespace itk
