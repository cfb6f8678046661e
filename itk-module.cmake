get_filename_component(MY_CURRENT_DIR "${CMAKE_CURRENT_LIST_FILE}" PATH)
file(READ "${MY_CURRENT_DIR}/README.md" DOCUMENTATION)

itk_module(GPUDiffeomorphicRegistration
  DEPENDS
    ITKCommon
    ITKImageGrid
    ITKDisplacementField
    ITKMetricsv4
    ITKOptimizersv4
    ITKRegistrationMethodsv4
    ITKTransform
  TEST_DEPENDS
    ITKTestKernel
    ITKIOTransformHDF5
    ITKIOTransformInsightLegacy
    ITKIOMeta
    ITKIONIFTI
    ITKIOPNG
  DESCRIPTION
    "${DOCUMENTATION}"
  EXCLUDE_FROM_DEFAULT
  ENABLE_SHARED
)
