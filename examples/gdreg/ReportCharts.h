// SPDX-License-Identifier: Apache-2.0
#ifndef ReportCharts_h
#define ReportCharts_h

#include "RunRecord.h"

#include <string>

namespace gdreg
{
/** "0.25" */
std::string
FormatNumber(double value, int digits = 4);

/** An SVG chart of the metric over the iterations of a level, with axes. */
std::string
DrawCurve(const RunRecord::Level & level, const std::string & title);

/** An SVG bar of the log-Jacobian's colours from -range to range. */
std::string
DrawColorBar(double range);
} // namespace gdreg

#endif
