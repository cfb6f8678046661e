# Run by ITK's top-level CMakeLists.txt when the module is built inside ITK, and by
# this module's own CMakeLists.txt otherwise.
option(GPUDiffeomorphicRegistration_USE_CUDA "Build the CUDA backend when a CUDA compiler is found" ON)
option(GPUDiffeomorphicRegistration_WARNINGS_AS_ERRORS "Treat warnings in this module's own code as errors" OFF)
# FFTW is under the GNU General Public License: so is then, as a whole, what is linked with it. Without it there are no
# Fourier transforms on the CPU.
option(GPUDiffeomorphicRegistration_USE_FFTW "Fourier transforms on the CPU by FFTW (GPL) where it is found" ON)
if(GPUDiffeomorphicRegistration_USE_FFTW)
  find_library(FFTW3F_LIBRARY fftw3f)
  find_path(FFTW3F_INCLUDE_DIR fftw3.h)
  mark_as_advanced(FFTW3F_LIBRARY FFTW3F_INCLUDE_DIR)
endif()
if(GPUDiffeomorphicRegistration_USE_CUDA)
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES AND NOT DEFINED ENV{CUDAARCHS})
    set(CMAKE_CUDA_ARCHITECTURES 80-real 90 CACHE STRING "CUDA architectures")
  endif()
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    enable_language(CUDA)
    find_package(CUDAToolkit REQUIRED)
  endif()
endif()
