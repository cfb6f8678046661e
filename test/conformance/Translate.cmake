# cmake -DINPUT=<ITK's test> -DOUTPUT=<file> "-DCLASSES=<names>" -P Translate.cmake
# Writes one of ITK's test programs with this module's classes in the place of ITK's. CLASSES: ITK's class, this module's
# and its superclass's name by commas, and so on. Functions of the test keep their names, and no line moves.
cmake_minimum_required(VERSION 3.22)
file(READ "${INPUT}" _source)
string(REPLACE "," ";" _classes "${CLASSES}")
while(_classes)
  list(POP_FRONT _classes _original _replacement _superclass)
  string(REPLACE "itk${_original}.h" "itk${_replacement}.h" _source "${_source}")
  # twice, as one character cannot end one name and begin the next
  foreach(_pass first second)
    string(REGEX REPLACE "([^A-Za-z0-9_])${_original}([^A-Za-z0-9_])" "\\1${_replacement}\\2" _source "${_source}")
  endforeach()
  # ITK_EXERCISE_BASIC_OBJECT_METHODS(object, class, superclass)
  string(REGEX REPLACE "(BASIC_OBJECT_METHODS\\([^;,]*,[^;,]*${_replacement},[ \n]*)[A-Za-z0-9]+\\)"
    "\\1${_superclass})" _source "${_source}")
endwhile()
file(WRITE "${OUTPUT}" "#line 1 \"${INPUT}\"\n${_source}")
