# Builds this module against an ITK *install* tree.
#
# ITK installs ITKConfig.cmake, ITKModuleAPI.cmake and UseITK.cmake, but not
# ITKModuleExternal.cmake, ITKModuleMacros.cmake, ITKModuleTest.cmake or its fork of
# ExternalData.cmake, so a module cannot be configured the regular way against, for
# example, Debian's libinsighttoolkit5-dev. This file gives itk-module.cmake,
# src/CMakeLists.txt and test/CMakeLists.txt the handful of commands that they use,
# with the same names and meanings. Wrapping is not available: it needs a build tree.

include(CTest)
include(ExternalData)
include(GenerateExportHeader)
include(GNUInstallDirs)

# itk_module(<name> [DEPENDS ...] [PRIVATE_DEPENDS ...] [COMPILE_DEPENDS ...]
#            [TEST_DEPENDS ...] [DESCRIPTION text] [FACTORY_NAMES ...]
#            [EXCLUDE_FROM_DEFAULT] [ENABLE_SHARED])
macro(itk_module _name)
  cmake_parse_arguments(
    _itk_module
    "EXCLUDE_FROM_DEFAULT;ENABLE_SHARED"
    "DESCRIPTION"
    "DEPENDS;PRIVATE_DEPENDS;COMPILE_DEPENDS;TEST_DEPENDS;FACTORY_NAMES"
    ${ARGN})
  set(itk-module ${_name})
  set(itk-module-test ${_name}-Test)
  set(ITK_MODULE_${itk-module}_PUBLIC_DEPENDS ${_itk_module_DEPENDS} ${_itk_module_COMPILE_DEPENDS})
  set(ITK_MODULE_${itk-module}_PRIVATE_DEPENDS ${_itk_module_PRIVATE_DEPENDS})
  set(ITK_MODULE_${itk-module}_DEPENDS
      ${ITK_MODULE_${itk-module}_PUBLIC_DEPENDS} ${_itk_module_PRIVATE_DEPENDS})
  set(ITK_MODULE_${itk-module-test}_DEPENDS ${_itk_module_TEST_DEPENDS})
  set(ITK_MODULE_${itk-module}_ENABLE_SHARED ${_itk_module_ENABLE_SHARED})
endmacro()

# itk_module_add_library(<name> <sources>...), called from src/CMakeLists.txt
macro(itk_module_add_library _name)
  add_library(${_name} ${ARGN})
  add_library(ITK::${_name} ALIAS ${_name})
  target_compile_features(${_name} PUBLIC cxx_std_${CMAKE_CXX_STANDARD})
  target_include_directories(
    ${_name}
    PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
           $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include>
           $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/${PROJECT_NAME}>)
  # ITK 5 library targets carry no include directories; ITK 6 ones do.
  target_include_directories(${_name} SYSTEM PUBLIC ${${PROJECT_NAME}_ITK_INCLUDE_DIRS})
  target_link_libraries(${_name} PUBLIC ${${PROJECT_NAME}_ITK_LIBRARIES})
  set_target_properties(
    ${_name}
    PROPERTIES OUTPUT_NAME ${_name}-${ITK_VERSION_MAJOR}.${ITK_VERSION_MINOR}
               CXX_VISIBILITY_PRESET hidden
               VISIBILITY_INLINES_HIDDEN ON)
  generate_export_header(
    ${_name}
    EXPORT_FILE_NAME ${PROJECT_BINARY_DIR}/include/${_name}Export.h
    EXPORT_MACRO_NAME ${_name}_EXPORT
    NO_EXPORT_MACRO_NAME ${_name}_HIDDEN
    STATIC_DEFINE ITK_STATIC)
  install(
    TARGETS ${_name}
    EXPORT ${PROJECT_NAME}Targets
    RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
endmacro()

# itk_module_test(), called first in test/CMakeLists.txt
macro(itk_module_test)
  find_package(ITK REQUIRED COMPONENTS ${ITK_MODULE_${itk-module}_DEPENDS}
                                       ${ITK_MODULE_${itk-module-test}_DEPENDS})
  # No UseITK.cmake here, as in ITK's own itk_module_test(): ITKTestKernel registers the
  # image IO factories of the test driver.
  include_directories(${ITK_INCLUDE_DIRS})
  set(${itk-module-test}_LIBRARIES ${itk-module} ${ITK_LIBRARIES})
  set(ITK_TEST_OUTPUT_DIR ${PROJECT_BINARY_DIR}/Testing/Temporary/${itk-module})
  file(MAKE_DIRECTORY ${ITK_TEST_OUTPUT_DIR})
endmacro()

# CreateTestDriver(<kit> <libraries> <tests> [additional sources...])
macro(CreateTestDriver _kit _libraries _tests)
  set(CMAKE_TESTDRIVER_BEFORE_TESTMAIN "#include \"itkTestDriverBeforeTest.inc\"")
  set(CMAKE_TESTDRIVER_AFTER_TESTMAIN "#include \"itkTestDriverAfterTest.inc\"")
  find_file(
    _test_driver_header
    NAMES itkTestDriverIncludeRequiredFactories.h itkTestDriverIncludeRequiredIOFactories.h
    PATHS ${ITKTestKernel_INCLUDE_DIRS}
    NO_CACHE NO_DEFAULT_PATH REQUIRED)
  get_filename_component(_test_driver_header ${_test_driver_header} NAME)
  create_test_sourcelist(
    _test_sources ${_kit}TestDriver.cxx ${_tests}
    EXTRA_INCLUDE ${_test_driver_header}
    FUNCTION ProcessArgumentsAndRegisterRequiredFactories)
  add_executable(${_kit}TestDriver ${_test_sources} ${ARGN})
  target_link_libraries(${_kit}TestDriver PRIVATE ${_libraries} ${ITKTestKernel_LIBRARIES})
endmacro()

# itk_add_test(NAME <name> COMMAND ...), with DATA{} arguments
function(itk_add_test)
  ExternalData_add_test(ITKData ${ARGN})
  set_property(TEST ${ARGV1} PROPERTY LABELS ${itk-module})
endfunction()

# itk_module_examples(), called last in the module's CMakeLists.txt
macro(itk_module_examples)
  option(Module_${itk-module}_BUILD_EXAMPLES "Build the examples of ${itk-module}" OFF)
  if(Module_${itk-module}_BUILD_EXAMPLES)
    add_subdirectory(examples)
  endif()
endmacro()

# What ITKModuleExternal.cmake does when it is included.
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()
if(NOT CMAKE_CXX_STANDARD)
  set(CMAKE_CXX_STANDARD 17)
  set(CMAKE_CXX_STANDARD_REQUIRED ON)
  set(CMAKE_CXX_EXTENSIONS OFF)
endif()
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
option(BUILD_SHARED_LIBS "Build shared libraries" ${ITK_BUILD_SHARED})

if(NOT DEFINED ExternalData_OBJECT_STORES)
  set(ExternalData_OBJECT_STORES ${PROJECT_SOURCE_DIR}/.ExternalData
                                 ${PROJECT_BINARY_DIR}/ExternalData/Objects)
  file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/ExternalData/Objects)
endif()
set(ExternalData_BINARY_ROOT ${PROJECT_BINARY_DIR}/ExternalData)
set(ExternalData_SERIES_PARSE "()(\\.[^./]*)$")
set(ExternalData_SERIES_MATCH "(\\.[0-9]+)?")
list(APPEND ExternalData_URL_TEMPLATES
     "https://data.kitware.com/api/v1/file/hashsum/%(algo)/%(hash)/download")

include(itk-module.cmake)
find_package(ITK REQUIRED COMPONENTS ${ITK_MODULE_${itk-module}_DEPENDS})
set(${PROJECT_NAME}_ITK_LIBRARIES ${ITK_LIBRARIES})
set(${PROJECT_NAME}_ITK_INCLUDE_DIRS ${ITK_INCLUDE_DIRS})
link_directories(${ITK_LIBRARY_DIRS})
set(CMAKE_CXX_FLAGS "${CMAKE_CXX_FLAGS} ${ITK_REQUIRED_CXX_FLAGS}")

add_subdirectory(src)
install(DIRECTORY include/ ${PROJECT_BINARY_DIR}/include/
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/${PROJECT_NAME})
install(EXPORT ${PROJECT_NAME}Targets NAMESPACE ITK::
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/${PROJECT_NAME})
list(JOIN ITK_MODULE_${itk-module}_DEPENDS " " _depends)
string(CONFIGURE [[
include(CMakeFindDependencyMacro)
find_dependency(ITK @ITK_VERSION_MAJOR@.@ITK_VERSION_MINOR@ COMPONENTS @_depends@)
include(${CMAKE_CURRENT_LIST_DIR}/@PROJECT_NAME@Targets.cmake)
]] _config @ONLY)
file(WRITE ${PROJECT_BINARY_DIR}/${PROJECT_NAME}Config.cmake "${_config}")
install(FILES ${PROJECT_BINARY_DIR}/${PROJECT_NAME}Config.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/${PROJECT_NAME})
if(BUILD_TESTING)
  add_subdirectory(test)
  ExternalData_Add_Target(ITKData)
endif()
