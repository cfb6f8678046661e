# cmake -DINPUT=<.cu or .h> -DOUTPUT=<file> -P TranslateCuda.cmake
# Writes CUDA code as C++ for the emulated device. Only what is no C++ changes, and no line moves:
#   kernel<<<configuration>>>(arguments);     kernel | ::emulation::Configuration(configuration)(arguments);
#   extern __shared__ T name[];               T * const name = memory of the size that the launch asked for
#   __shared__ T name[n];                     auto & name = memory that every block finds filled with NaN
cmake_minimum_required(VERSION 3.22)
file(READ "${INPUT}" _source)

set(_alignment "((__align__|alignas)\\([^()]*\\)[ ]*)?")
string(REGEX REPLACE "extern[ ]+__shared__[ ]+${_alignment}([^;=(]*[ ])([A-Za-z0-9_]+)\\[\\];"
  "\\3* const \\4 = static_cast<\\3*>(::emulation::DynamicShared());" _source "${_source}")
string(REGEX REPLACE "__shared__[ ]+${_alignment}([^;=,]*[ ])([A-Za-z0-9_]+)((\\[[^;=]*\\])*);"
  "static ::emulation::SharedVariable<\\3\\5> \\4Variable; auto & \\4 = \\4Variable.OfThisBlock();" _source "${_source}")

set(_translated "#line 1 \"${INPUT}\"\n")
while(TRUE)
  string(FIND "${_source}" "<<<" _begin)
  if(_begin EQUAL -1)
    break()
  endif()
  string(SUBSTRING "${_source}" 0 ${_begin} _before)
  math(EXPR _begin "${_begin} + 3")
  string(SUBSTRING "${_source}" ${_begin} -1 _source)
  string(FIND "${_source}" ">>>" _end)
  if(_end EQUAL -1)
    message(FATAL_ERROR "${INPUT}: <<< without >>>")
  endif()
  string(SUBSTRING "${_source}" 0 ${_end} _configuration)
  math(EXPR _end "${_end} + 3")
  string(SUBSTRING "${_source}" ${_end} -1 _source)
  string(APPEND _translated "${_before} | ::emulation::Configuration(${_configuration})")
endwhile()
file(WRITE "${OUTPUT}" "${_translated}${_source}")
