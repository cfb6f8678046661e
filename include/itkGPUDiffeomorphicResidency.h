/*=========================================================================
 *
 *  Copyright NumFOCUS
 *
 *  Licensed under the Apache License, Version 2.0 (the "License");
 *  you may not use this file except in compliance with the License.
 *  You may obtain a copy of the License at
 *
 *         http://www.apache.org/licenses/LICENSE-2.0.txt
 *
 *  Unless required by applicable law or agreed to in writing, software
 *  distributed under the License is distributed on an "AS IS" BASIS,
 *  WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 *  See the License for the specific language governing permissions and
 *  limitations under the License.
 *
 *=========================================================================*/
#ifndef itkGPUDiffeomorphicResidency_h
#define itkGPUDiffeomorphicResidency_h

#include "GPUDiffeomorphicRegistrationExport.h"

#include <cstddef>

namespace itk
{
/** \class GPUDiffeomorphicResidency
 * \brief Copies on GPUs of the images and fields that the classes of this module read and write.
 *
 * The registration method, the warp filter and the displacement-field filters keep on the GPU what they have uploaded and
 * what they have computed, so that the next of them finds it there: a chain compose, invert, Jacobian determinant uploads
 * the fields that it begins with, and nothing else. Results are given to the host as ever.
 *
 * The rule: the copy of a buffer is used if the buffer has, byte for byte, the content that it had when the copy was
 * made. This is looked at before each use, by a 64-bit digest of the whole buffer, which costs the host one pass of
 * reading. Hence an edit on the host, by iterators or by other filters, needs no announcement (no Modified()), nor does the
 * end of an image, and results are the same, bit for bit, with and without copies.
 *
 * Copies take at most an eighth of a GPU's memory, or SetMaximumBytes; those that were not used for the longest time go
 * first, and all when memory runs out. On the CPU there are none: its engine works in the images' own memory. All
 * functions may be called from any thread.
 *
 * \ingroup GPUDiffeomorphicRegistration
 */
class GPUDiffeomorphicRegistration_EXPORT GPUDiffeomorphicResidency
{
public:
  /** Most bytes of copies on each GPU from now on; 0 turns residency off. Frees the copies that are there. */
  static void
  SetMaximumBytes(std::size_t bytes);

  /** Frees all copies. */
  static void
  Release();

  struct Counts
  {
    std::size_t uploads{ 0 };       ///< since the program began
    std::size_t uploadedBytes{ 0 };
    std::size_t reuses{ 0 };        ///< uploads that a copy made unnecessary
    std::size_t reusedBytes{ 0 };
    std::size_t residentBytes{ 0 }; ///< of the copies that there are now
  };

  static Counts
  GetCounts();
};
} // namespace itk

#endif
