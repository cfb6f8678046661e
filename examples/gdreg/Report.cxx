// SPDX-License-Identifier: Apache-2.0
#include "Report.h"

#include "Commands.h"
#include "LinearStarts.h"
#include "ReportCharts.h"
#include "ReportImages.h"
#include "ReportStyle.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <ctime>
#include <filesystem>
#include <sstream>

namespace gdreg
{
namespace
{
std::string
Escape(const std::string & text)
{
  std::string escaped;
  for (const char c : text)
  {
    switch (c)
    {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

template <typename TValue>
std::string
Join(const std::vector<TValue> & values, const std::string & separator, const int digits = 5)
{
  std::string text;
  for (const auto & value : values)
  {
    text += (text.empty() ? "" : separator) + FormatNumber(static_cast<double>(value), digits);
  }
  return text;
}

std::string
Fixed(const double value, const int decimals)
{
  char text[40];
  std::snprintf(text, sizeof(text), "%.*f", decimals, value);
  return text;
}

std::string
Seconds(const double seconds)
{
  return Fixed(seconds, seconds < 1.0 ? 2 : 1) + " s";
}

/** A round number that gives some 20 to 30 lines. */
double
ChooseGridStep(const double extent)
{
  const double power = std::pow(10.0, std::floor(std::log10(extent / 28.0)));
  for (const double factor : { 1.0, 2.0, 5.0, 10.0 })
  {
    if (factor * power >= extent / 30.0)
    {
      return factor * power;
    }
  }
  return 10.0 * power;
}

class PageWriter
{
public:
  explicit PageWriter(const RunRecord & record)
    : m_Record(record)
  {}

  void
  Begin()
  {
    const auto  name = [](const std::string & path) { return std::filesystem::path(path).filename().string(); };
    std::time_t now = std::time(nullptr);
    char        date[64] = "";
    std::strftime(date, sizeof(date), "%Y-%m-%d %H:%M", std::localtime(&now));
    m_Page << "<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'>"
           << "<meta name='viewport' content='width=device-width, initial-scale=1'><title>Registration of "
           << Escape(name(m_Record.moving.path)) << "</title><style>" << ReportStyle << "</style></head>\n<body><main>"
           << "<h1>Image registration</h1><p class='files'><b>" << Escape(name(m_Record.moving.path))
           << "</b> (moving) onto <b>" << Escape(name(m_Record.fixed.path)) << "</b> (fixed) &middot; " << date
           << "</p>\n";
  }

  /** Starts a section; on paper it stays on one page unless it is `isLong`. */
  void
  BeginSection(const std::string & title, const std::string & text, const bool isLong = false)
  {
    m_Page << "<section" << (isLong ? " class='long'" : "") << "><h2>" << title << "</h2><p>" << text << "</p>\n";
  }

  void
  EndSection()
  {
    m_Page << "</section>\n";
  }

  void
  Cards()
  {
    m_Page << "<div class='cards'>";
    this->Card(this->HasFixedMask() ? "Correlation in mask" : "Correlation",
               Fixed(m_Record.correlationBefore, 2) + " &rarr; " + Fixed(m_Record.correlationAfter, 2),
               "linear stage " + Fixed(m_Record.correlationLinear, 2));
    if (m_Record.hasDeformable)
    {
      const bool correlation = m_Record.metricName == "local correlation";
      const auto show = [correlation](const double value) {
        return correlation ? Fixed(value, 2) : FormatNumber(value, 2);
      };
      std::string title = m_Record.metricName;
      title[0] = static_cast<char>(std::toupper(title[0]));
      this->Card(title,
                 show(m_Record.initialMetricValue) + " &rarr; " + show(m_Record.finalMetricValue),
                 "deformable stage");
      this->Card("Jacobian",
                 Fixed(m_Record.minimumJacobian, 2) + " &ndash; " + Fixed(m_Record.maximumJacobian, 2),
                 "volume change");
      this->Card("Folded voxels",
                 std::to_string(m_Record.foldedVoxels),
                 m_Record.foldedVoxels == 0 ? "invertible" : "not invertible there",
                 m_Record.foldedVoxels > 0);
      this->Card("Inverse error",
                 FormatNumber(m_Record.inverseMeanResidual, 2) + " vox.",
                 "mean; largest " + FormatNumber(m_Record.inverseMaximumResidual, 2));
      this->Card("Displacement", FormatNumber(m_Record.maximumDisplacement, 3) + " mm", "largest");
    }
    this->Card("Time", Seconds(m_Record.linearSeconds + m_Record.deformableSeconds), "on " + Escape(m_Record.device));
    m_Page << "</div>\n";
  }

  /** The same plane in several states, side by side. */
  void
  BeginStates(const std::size_t columns)
  {
    m_Page << "<div class='row states n" << columns << "'>";
  }

  /** One picture per plane, all at one scale. */
  void
  BeginPlanes(const std::vector<Plane> & planes)
  {
    m_Page << "<div class='row plain n" << planes.size() << "' style='--widths:" << Widths(planes) << "'>";
  }

  void
  EndRow()
  {
    m_Page << "</div>\n";
  }

  void
  Picture(const std::string & url, const Plane & plane, const std::string & caption, const std::string & role = "")
  {
    m_Page << "<figure><div class='picture'><img width='" << plane.width << "' height='" << plane.height << "' alt='"
           << caption << ", " << plane.name << "' src='" << url << "'";
    if (!role.empty())
    {
      m_Page << " data-role='" << role << "' data-plane='" << plane.name << "'";
    }
    m_Page << ">";
    if (plane.through >= 0)
    {
      const char * const places[] = { "l", "r", "t", "b" };
      for (int side = 0; side < 4; ++side)
      {
        m_Page << "<i class='" << places[side] << "'>" << plane.letters[side] << "</i>";
      }
    }
    m_Page << "</div><figcaption>" << caption << "</figcaption></figure>";
  }

  void
  Compare(const std::vector<Plane> & planes)
  {
    m_Page
      << "<section id='compare'><h2>Compare</h2><p>Move the slider to fade from the fixed image to the registered "
         "moving image: what stays in place matches.</p><label>fixed <input type='range' min='0' max='100' value='50' "
         "aria-label='blend'> moving</label><div class='row plain n"
      << planes.size() << "' style='--widths:" << Widths(planes) << "'></div></section>\n";
  }

  void
  ColorBar(const double range)
  {
    m_Page << DrawColorBar(range);
  }

  void
  Curves()
  {
    m_Page << "<div class='charts'>";
    for (std::size_t i = 0; i < m_Record.levels.size(); ++i)
    {
      const auto & level = m_Record.levels[i];
      m_Page << DrawCurve(level,
                          "Level " + std::to_string(i + 1) + ": " +
                            (level.shrinkFactor == 1 ? "full" : "1/" + std::to_string(level.shrinkFactor)) +
                            " resolution, " + Join(level.size, "\xC3\x97"));
    }
    m_Page << "</div>\n";
  }

  void
  Tables()
  {
    m_Page << "<h2>Settings and numbers</h2><div class='tables'>";
    this->BeginTable("Images");
    this->Row("fixed", m_Record.fixed.path);
    this->Row("fixed grid",
              Join(m_Record.fixed.size, "\xC3\x97") + " voxels of " + Join(m_Record.fixed.spacing, "\xC3\x97") + " mm");
    this->Row("moving", m_Record.moving.path);
    this->Row("moving grid",
              Join(m_Record.moving.size, "\xC3\x97") + " voxels of " + Join(m_Record.moving.spacing, "\xC3\x97") +
                " mm");
    this->EndTable();
    this->BeginTable("Settings");
    for (const auto & setting : m_Record.settings)
    {
      this->Row(setting.first, setting.second);
    }
    this->EndTable();
    this->BeginTable("Quality");
    this->Row("correlation before", Fixed(m_Record.correlationBefore, 4));
    this->Row("correlation after the linear stage", Fixed(m_Record.correlationLinear, 4));
    this->Row("correlation after", Fixed(m_Record.correlationAfter, 4));
    this->Row("volume factor of the linear map", FormatNumber(m_Record.linearDeterminant, 4));
    if (m_Record.hasDeformable)
    {
      this->Row(m_Record.metricName + " before the deformable stage", FormatNumber(m_Record.initialMetricValue, 5));
      this->Row(m_Record.metricName + " after", FormatNumber(m_Record.finalMetricValue, 5));
      this->Row("Jacobian",
                FormatNumber(m_Record.minimumJacobian, 4) + " to " + FormatNumber(m_Record.maximumJacobian, 4));
      this->Row("folded voxels", std::to_string(m_Record.foldedVoxels));
      this->Row("inverse consistency, mean", FormatNumber(m_Record.inverseMeanResidual, 3) + " voxels");
      this->Row("inverse consistency, largest", FormatNumber(m_Record.inverseMaximumResidual, 3) + " voxels");
    }
    this->EndTable();
    this->BeginTable("Time and device");
    this->Row("device", m_Record.device + ", " + m_Record.deviceDescription);
    if (m_Record.peakDeviceBytes > 0)
    {
      this->Row("peak memory of the engine", DescribeBytes(static_cast<double>(m_Record.peakDeviceBytes)));
    }
    this->Row("reading", Seconds(m_Record.readSeconds));
    this->Row("linear stage", Seconds(m_Record.linearSeconds));
    for (std::size_t i = 0; i < m_Record.levels.size(); ++i)
    {
      const auto & level = m_Record.levels[i];
      this->Row("level " + std::to_string(i + 1),
                Seconds(level.seconds) + ", " + std::to_string(level.metricValues.size()) + " iterations" +
                  (level.converged ? ", converged" : ""));
    }
    if (m_Record.hasDeformable)
    {
      this->Row("deformable stage", Seconds(m_Record.deformableSeconds));
    }
    this->Row("resampling", Seconds(m_Record.resampleSeconds));
    this->Row("writing", Seconds(m_Record.writeSeconds));
    this->EndTable();
    m_Page << "</div>\n";
  }

  std::string
  End(const bool script)
  {
    if (script)
    {
      m_Page << "<script>" << ReportScript << "</script>";
    }
    m_Page << "</main></body></html>\n";
    return m_Page.str();
  }

private:
  std::string
  GetSetting(const std::string & name) const
  {
    for (const auto & setting : m_Record.settings)
    {
      if (setting.first == name)
      {
        return setting.second;
      }
    }
    return "";
  }

  bool
  HasFixedMask() const
  {
    return !this->GetSetting("fixed-mask").empty();
  }

  static std::string
  Widths(const std::vector<Plane> & planes)
  {
    std::string widths;
    for (const auto & plane : planes)
    {
      widths += (widths.empty() ? "" : " ") + std::to_string(plane.width) + "fr";
    }
    return widths;
  }

  void
  Card(const std::string & title, const std::string & value, const std::string & note, const bool warn = false)
  {
    m_Page << "<div class='card" << (warn ? " warn" : "") << "'><span>" << title << "</span><b>" << value
           << "</b><small>" << note << "</small></div>";
  }

  void
  BeginTable(const std::string & caption)
  {
    m_Page << "<table><caption>" << caption << "</caption>";
  }

  void
  Row(const std::string & name, const std::string & value)
  {
    m_Page << "<tr><th>" << Escape(name) << "</th><td>" << Escape(value) << "</td></tr>";
  }

  void
  EndTable()
  {
    m_Page << "</table>";
  }

  const RunRecord &  m_Record;
  std::ostringstream m_Page;
};

/** True if a reader of the planes would find the image empty. */
template <unsigned int VDimension>
bool
IsOutOfSight(const ScalarImage<VDimension> * image, const std::vector<Plane> & planes, const Window & window)
{
  std::size_t dark = 0;
  std::size_t all = 0;
  for (const auto & plane : planes)
  {
    const Raster raster = Sample<VDimension>(image, plane);
    all += raster.values.size();
    dark += static_cast<std::size_t>(std::count_if(raster.values.begin(), raster.values.end(), [&](const float value) {
      return value <= window.low + 0.05f * (window.high - window.low);
    }));
  }
  return static_cast<double>(dark) > 0.99 * static_cast<double>(all);
}

/** A range that nearly all voxels' |log det J| stay within, rounded up to a number one can read. */
template <unsigned int VDimension>
double
ChooseLogRange(const ScalarImage<VDimension> * jacobian)
{
  const std::size_t  count = jacobian->GetBufferedRegion().GetNumberOfPixels();
  const std::size_t  stride = std::max<std::size_t>(1, count / 400000) | 1;
  std::vector<float> values;
  for (std::size_t i = 0; i < count; i += stride)
  {
    const float value = jacobian->GetBufferPointer()[i];
    if (value > 0.0f)
    {
      values.push_back(std::abs(std::log(value)));
    }
  }
  if (values.empty())
  {
    return 1.0;
  }
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(0.995 * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  for (const double range : { 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.4, 2.0 })
  {
    if (*at <= range)
    {
      return range;
    }
  }
  return 3.0;
}
} // namespace

template <unsigned int VDimension>
std::string
MakeReport(const ReportInput<VDimension> & input)
{
  const auto   center = CenterOfMass<VDimension>(input.fixed, input.fixedMask);
  const auto   planes = ListPlanes<VDimension>(input.fixed, center);
  const Window fixedWindow = FindWindow<VDimension>(input.fixed, input.fixedMask);
  // One window for the moving image in all its states, from where it lies on the fixed image.
  const Window movingWindow = FindWindow<VDimension>(input.movingAfter, input.fixedMask);
  const bool   hasLinear = input.movingLinear != input.movingBefore;
  const bool   hasDeformable = input.movingAfter != input.movingLinear;

  PageWriter page(*input.record);
  page.Begin();
  page.Cards();

  page.BeginSection("Before and after",
                    VDimension == 3
                      ? "Planes through the centre of the fixed image, the patient's right on the left (R), as the "
                        "file headers tell it."
                      : "All on the grid of the fixed image.",
                    true);
  struct State
  {
    const ScalarImage<VDimension> * image;
    std::string                     caption;
    std::string                     role;
  };
  const bool         hasBefore = !IsOutOfSight<VDimension>(input.movingBefore, planes, movingWindow);
  std::vector<State> states{
    { input.movingBefore, hasBefore ? "moving, before" : "moving, before: elsewhere by its header", "" }
  };
  if (hasLinear)
  {
    states.push_back({ input.movingLinear, "moving, after linear stage", hasDeformable ? "" : "after" });
  }
  if (hasDeformable)
  {
    states.push_back({ input.movingAfter, "moving, after", "after" });
  }
  for (const auto & plane : planes)
  {
    page.BeginStates(1 + states.size());
    page.Picture(DrawGray(Sample<VDimension>(input.fixed, plane), fixedWindow), plane, "fixed", "fixed");
    for (const auto & state : states)
    {
      page.Picture(DrawGray(Sample<VDimension>(state.image, plane), movingWindow), plane, state.caption, state.role);
    }
    page.EndRow();
  }
  page.EndSection();
  page.Compare(planes);

  page.BeginSection("Checkerboard",
                    "Tiles of the fixed and of the registered moving image in turn: edges should run through.");
  page.BeginPlanes(planes);
  for (const auto & plane : planes)
  {
    page.Picture(DrawCheckerboard(Sample<VDimension>(input.fixed, plane),
                                  fixedWindow,
                                  Sample<VDimension>(input.movingAfter, plane),
                                  movingWindow),
                 plane,
                 plane.name);
  }
  page.EndRow();
  page.EndSection();

  page.BeginSection(
    "Difference",
    "Fixed minus moving, both scaled to their windows: middle grey is equal, white is brighter in the fixed "
    "image. Images of different kinds differ everywhere.");
  const auto * before = hasBefore ? input.movingBefore : input.movingLinear;
  for (const bool after : { false, true })
  {
    page.BeginPlanes(planes);
    for (const auto & plane : planes)
    {
      page.Picture(DrawDifference(Sample<VDimension>(input.fixed, plane),
                                  fixedWindow,
                                  Sample<VDimension>(after ? input.movingAfter : before, plane),
                                  movingWindow),
                   plane,
                   plane.name + (after ? ", after" : (hasBefore ? ", before" : ", after linear stage")));
    }
    page.EndRow();
  }

  page.EndSection();

  if (input.field && input.jacobian)
  {
    double extent = 0.0;
    for (const auto & plane : planes)
    {
      extent = std::max(extent, plane.pixelSize * std::max(plane.width, plane.height));
    }
    const double step = ChooseGridStep(extent);
    page.BeginSection("Deformation",
                      "Lines of the moving image (after the linear stage), " + FormatNumber(step) +
                        " mm apart, drawn where the deformable stage takes them from, over the fixed image.");
    page.BeginPlanes(planes);
    for (const auto & plane : planes)
    {
      page.Picture(DrawGrid(Sample<VDimension>(input.fixed, plane),
                            fixedWindow,
                            SampleMap<VDimension>(input.field, plane),
                            plane.pixelSize,
                            step),
                   plane,
                   plane.name);
    }
    page.EndRow();
    page.EndSection();

    const double range = ChooseLogRange<VDimension>(input.jacobian);
    page.BeginSection(
      VDimension == 3 ? "Local volume change" : "Local area change",
      "Logarithm of the Jacobian determinant of the deformable stage. Red: the moving image is larger there than "
      "the fixed one; blue: smaller. Green: folded.");
    page.BeginPlanes(planes);
    for (const auto & plane : planes)
    {
      page.Picture(DrawLogJacobian(Sample<VDimension>(input.jacobian, plane), range), plane, plane.name);
    }
    page.EndRow();
    page.ColorBar(range);
    page.EndSection();

    page.BeginSection("Convergence", "The metric at each iteration of each level, coarse to fine.");
    page.Curves();
    page.EndSection();
  }
  page.Tables();
  return page.End(hasLinear || hasDeformable);
}

template std::string
MakeReport<2>(const ReportInput<2> &);
template std::string
MakeReport<3>(const ReportInput<3> &);
} // namespace gdreg
