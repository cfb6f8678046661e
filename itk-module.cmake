set(DOCUMENTATION "Diffeomorphic registration of images behind ITK's v4 registration interface, on a GPU through CUDA
where there is one and on the CPU where there is none.")

itk_module(GPUDiffeomorphicRegistration
  DEPENDS
    ITKCommon
    ITKDisplacementField
    ITKImageFunction
    ITKImageGrid
    ITKMetricsv4
    ITKOptimizersv4
    ITKRegistrationMethodsv4
    ITKSpatialObjects
    ITKTransform
  TEST_DEPENDS
    ITKIOMeta
    ITKIONIFTI
    ITKIOTransformHDF5
    ITKSmoothing
    ITKTestKernel
  DESCRIPTION
    "${DOCUMENTATION}"
  EXCLUDE_FROM_DEFAULT
  ENABLE_SHARED
)
