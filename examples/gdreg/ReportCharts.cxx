// SPDX-License-Identifier: Apache-2.0
#include "ReportCharts.h"

#include "ReportImages.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <sstream>

namespace gdreg
{
namespace
{
/** 1, 2 or 5 times a power of ten: a distance of ticks that gives about `count` of them. */
double
ChooseStep(const double range, const int count)
{
  const double rough = range / count;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  for (const double factor : { 1.0, 2.0, 5.0 })
  {
    if (factor * power >= rough)
    {
      return factor * power;
    }
  }
  return 10.0 * power;
}

std::string
Hex(const std::array<unsigned char, 3> & color)
{
  char text[16];
  std::snprintf(text, sizeof(text), "#%02x%02x%02x", color[0], color[1], color[2]);
  return text;
}
} // namespace

std::string
FormatNumber(const double value, const int digits)
{
  char text[40];
  std::snprintf(text, sizeof(text), "%.*g", digits, value);
  return text;
}

std::string
DrawCurve(const RunRecord::Level & level, const std::string & title)
{
  constexpr double   width = 340.0;
  constexpr double   height = 210.0;
  constexpr double   left = 58.0;
  constexpr double   right = 328.0;
  constexpr double   top = 30.0;
  constexpr double   bottom = 168.0;
  const auto &       values = level.metricValues;
  std::ostringstream svg;
  svg << "<svg class='chart' viewBox='0 0 " << width << " " << height << "' role='img' aria-label='" << title << "'>"
      << "<text class='title' x='" << left << "' y='18'>" << title << "</text>";
  if (values.empty())
  {
    svg << "<text x='" << left << "' y='60'>no iterations</text></svg>";
    return svg.str();
  }
  const auto   range = std::minmax_element(values.begin(), values.end());
  const double spread = std::max(*range.second - *range.first, 0.01 * std::max(1e-6, std::abs(*range.second)));
  const double step = ChooseStep(spread, 4);
  const double low = step * std::floor(*range.first / step);
  const double high = std::max(low + step, step * std::ceil(*range.second / step));
  const double last = std::max<double>(2.0, static_cast<double>(values.size()));
  const auto   x = [&](const double iteration) { return left + (right - left) * (iteration - 1.0) / (last - 1.0); };
  const auto   y = [&](const double value) { return bottom - (bottom - top) * (value - low) / (high - low); };
  const int    decimals = std::clamp(static_cast<int>(std::ceil(-std::log10(step) - 1e-9)), 0, 9);
  for (double tick = low; tick <= high + 0.01 * step; tick += step)
  {
    char label[40];
    std::snprintf(label, sizeof(label), "%.*f", decimals, tick);
    svg << "<line class='grid' x1='" << left << "' x2='" << right << "' y1='" << y(tick) << "' y2='" << y(tick)
        << "'/><text class='tick' text-anchor='end' x='" << left - 6 << "' y='" << y(tick) + 4 << "'>" << label
        << "</text>";
  }
  const double xStep = std::max(1.0, ChooseStep(last, 5));
  for (double tick = 0.0; tick <= last; tick += xStep)
  {
    const double at = std::max(1.0, tick);
    svg << "<line class='axis' x1='" << x(at) << "' x2='" << x(at) << "' y1='" << bottom << "' y2='" << bottom + 4
        << "'/><text class='tick' text-anchor='middle' x='" << x(at) << "' y='" << bottom + 17 << "'>" << at
        << "</text>";
  }
  svg << "<path class='axis' d='M" << left << " " << top << "V" << bottom << "H" << right
      << "'/><polyline class='curve' points='";
  for (std::size_t i = 0; i < values.size(); ++i)
  {
    char point[48];
    std::snprintf(point, sizeof(point), "%.1f,%.1f ", x(static_cast<double>(i) + 1.0), y(values[i]));
    svg << point;
  }
  svg << "'/>";
  if (values.size() == 1)
  {
    svg << "<circle class='dot' cx='" << x(1.0) << "' cy='" << y(values[0]) << "' r='3'/>";
  }
  svg << "<text class='tick' text-anchor='middle' x='" << 0.5 * (left + right) << "' y='" << height - 6
      << "'>iteration</text></svg>";
  return svg.str();
}

std::string
DrawColorBar(const double range)
{
  constexpr double   left = 20.0;
  constexpr double   right = 400.0;
  constexpr int      steps = 64;
  std::ostringstream svg;
  svg << "<svg class='bar' viewBox='0 0 420 62' role='img' aria-label='colour bar of the log-Jacobian'>";
  const double each = (right - left) / steps;
  for (int i = 0; i < steps; ++i)
  {
    svg << "<rect x='" << left + i * each << "' y='4' width='" << each + 0.5 << "' height='16' fill='"
        << Hex(DivergingColor(2.0 * (i + 0.5) / steps - 1.0)) << "'/>";
  }
  for (int i = -2; i <= 2; ++i)
  {
    const double value = 0.5 * i * range;
    const double x = 0.5 * (left + right) + 0.25 * i * (right - left);
    char         log[40];
    char         factor[40];
    std::snprintf(log, sizeof(log), "%s%.3g", i < 0 ? "\xE2\x88\x92" : (i > 0 ? "+" : ""), std::abs(value));
    std::snprintf(factor, sizeof(factor), "\xC3\x97%.2f", std::exp(value));
    svg << "<line class='axis' x1='" << x << "' x2='" << x << "' y1='20' y2='25'/>"
        << "<text class='tick' text-anchor='middle' x='" << x << "' y='38'>" << log << "</text>"
        << "<text class='tick' text-anchor='middle' x='" << x << "' y='54'>" << factor << "</text>";
  }
  svg << "</svg>";
  return svg.str();
}
} // namespace gdreg
