// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.report;

import static dev.offmeter.internal.report.Samples.HOSTILE;
import static dev.offmeter.internal.report.Samples.RESERVE;
import static dev.offmeter.internal.report.Samples.billed;
import static dev.offmeter.internal.report.Samples.report;
import static dev.offmeter.internal.report.Samples.snapshot;
import static dev.offmeter.internal.report.Samples.uncertain;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.offmeter.guard.Budget;
import dev.offmeter.guard.BudgetStatus;
import dev.offmeter.internal.report.MeteredEndpoint.Kind;
import dev.offmeter.meter.MeterSnapshot;
import dev.offmeter.meter.MeterTotals;
import java.io.StringReader;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;
import org.xml.sax.InputSource;

/** The page is written so that a parser of XML reads it too, which accepts no slip. */
class HtmlPageTest {
  private static final String PAGE = report(snapshot()).html();

  private static Document parsed(String page) {
    try {
      return DocumentBuilderFactory.newInstance()
          .newDocumentBuilder()
          .parse(new InputSource(new StringReader(page)));
    } catch (Exception e) {
      throw new AssertionError(page, e);
    }
  }

  private static List<Element> all(Document page, String name) {
    NodeList nodes = page.getElementsByTagName(name);
    List<Element> elements = new ArrayList<>();
    for (int i = 0; i < nodes.getLength(); i++) {
      elements.add((Element) nodes.item(i));
    }
    return elements;
  }

  private static double number(Element element, String attribute) {
    return Double.parseDouble(element.getAttribute(attribute));
  }

  /** Returns the picture that is described by these words. */
  private static Element picture(Document page, String label) {
    return all(page, "svg").stream()
        .filter(svg -> svg.getAttribute("aria-label").equals(label))
        .findFirst()
        .orElseThrow();
  }

  private static List<Element> in(Element picture, String name, String style) {
    NodeList nodes = picture.getElementsByTagName(name);
    List<Element> elements = new ArrayList<>();
    for (int i = 0; i < nodes.getLength(); i++) {
      Element element = (Element) nodes.item(i);
      if (element.getAttribute("class").equals(style)) {
        elements.add(element);
      }
    }
    return elements;
  }

  @Test
  void thePageIsWholeByItself() {
    assertThat(PAGE)
        .startsWith("<!DOCTYPE html>\n<html lang=\"en\">")
        .contains("default-src 'none'")
        .doesNotContain("<script", "<link", "<img", "http:", "https:", "url(", "src=", "href=");
  }

  @Test
  void aNameCannotBreakOutOfThePage() {
    MeterTotals totals = billed(1, 0, 10, 2, 3, "0.01", "0.02");
    MeterSnapshot plain = snapshot(totals, Map.of(HOSTILE, totals), Map.of(HOSTILE, totals));
    Map<LocalDate, Map<String, MeterTotals>> days =
        Map.of(LocalDate.of(2026, 11, 1), Map.of(HOSTILE, totals));
    MeterSnapshot hostile =
        new MeterSnapshot(
            plain.since(),
            totals,
            plain.byEndpoint(),
            Map.of(HOSTILE, totals),
            plain.byDay(),
            days,
            Map.of(HOSTILE, Map.of(HOSTILE, totals)),
            Map.of(HOSTILE, 3L),
            Map.of(HOSTILE, Map.of(HOSTILE, Map.of(HOSTILE, 2L))));
    List<MeteredEndpoint> endpoints =
        List.of(new MeteredEndpoint(HOSTILE, Kind.OWN, Optional.of(Samples.UPKEEP)));
    String page =
        new CostReport(
                hostile,
                plain.since().plusSeconds(60),
                ZoneOffset.UTC,
                endpoints,
                List.of(
                    new BudgetStatus(
                        Budget.calls("calls", 9).tag("feature"),
                        HOSTILE,
                        1,
                        0,
                        Optional.empty(),
                        Optional.empty())))
            .html();

    assertThat(page).doesNotContain("<script").doesNotContainPattern("[\\p{Cntrl}&&[^\n]]");
    String shown = parsed(page).getDocumentElement().getTextContent();
    assertThat(shown).contains("Break-even of </td><script>alert(\"1\")</script>&'");
  }

  @Test
  void everythingLiesWithinItsPicture() {
    for (Element svg : all(parsed(PAGE), "svg")) {
      String[] box = svg.getAttribute("viewBox").split(" ", -1);
      for (String side : List.of("x", "x1", "x2", "cx", "y", "y1", "y2", "cy")) {
        double most = box.length < 4 ? 0 : Double.parseDouble(box[side.contains("x") ? 2 : 3]);
        NodeList parts = svg.getElementsByTagName("*");
        for (int i = 0; i < parts.getLength(); i++) {
          Element part = (Element) parts.item(i);
          if (part.hasAttribute(side)) {
            assertThat(number(part, side))
                .as(side + " of " + part.getTagName())
                .isBetween(0.0, most);
          }
        }
      }
    }
  }

  @Test
  void aBarIsAsHighAsItsDayCost() {
    Element chart = picture(parsed(PAGE), "cost by day and endpoint");
    List<Element> bars = in(chart, "rect", "fill c1");

    assertThat(bars).hasSize(Samples.DAYS);
    // 0.10 on the first day and 0.17 on the second.
    assertThat(number(bars.get(1), "height") / number(bars.get(0), "height"))
        .isEqualTo(1.7, within(0.01));
    assertThat(number(bars.get(0), "y") + number(bars.get(0), "height"))
        .isEqualTo(Plot.BOTTOM, within(0.011));
    assertThat(bars.get(1).getTextContent()).isEqualTo("2026-11-02, reserve: 0.17 USD");
  }

  @Test
  void theBarsOfADayStandOnEachOther() {
    MeterTotals one = billed(1, 0, 10, 2, 3, "0.30", "0.02");
    MeterTotals other = billed(1, 0, 10, 2, 3, "0.15", "0.02");
    MeterSnapshot plain = snapshot(one, Map.of(), Map.of());
    MeterSnapshot snapshot =
        new MeterSnapshot(
            plain.since(),
            one,
            Map.of(Samples.NODE, one, RESERVE, other),
            Map.of(),
            plain.byDay(),
            Map.of(LocalDate.of(2026, 11, 1), Map.of(Samples.NODE, one, RESERVE, other)),
            Map.of(),
            Map.of(),
            Map.of());
    Element chart = picture(parsed(report(snapshot).html()), "cost by day and endpoint");

    Element below = in(chart, "rect", "fill c0").get(0);
    Element above = in(chart, "rect", "fill c1").get(0);

    assertThat(number(above, "y") + number(above, "height"))
        .isEqualTo(number(below, "y"), within(0.011));
    assertThat(number(above, "x")).isEqualTo(number(below, "x"));
    assertThat(number(below, "height")).isEqualTo(2 * number(above, "height"), within(0.03));
  }

  @Test
  void aDayOfUnknownCostIsMarked() {
    MeterTotals unknown = uncertain(billed(1, 0, 10, 2, 3, "0.30", "0.02"), "0.00", 1);
    MeterSnapshot plain = snapshot(unknown, Map.of(RESERVE, unknown), Map.of());
    MeterSnapshot snapshot =
        new MeterSnapshot(
            plain.since(),
            unknown,
            plain.byEndpoint(),
            Map.of(),
            plain.byDay(),
            Map.of(LocalDate.of(2026, 11, 1), Map.of(RESERVE, unknown)),
            Map.of(),
            Map.of(),
            Map.of());

    assertThat(report(snapshot).html())
        .contains(">?</text>")
        .contains("A day with ? has calls whose cost is unknown, and is dearer than shown.");
    assertThat(PAGE).doesNotContain(">?</text>");
  }

  @Test
  void aRingLiesWhereTheLinesMeet() {
    Element chart = picture(parsed(PAGE), "cost of a month by its tokens");
    Element baseline = in(chart, "line", "line baseline").get(0);
    List<Element> rings = in(chart, "circle", "meets");
    List<String> lines = List.of("line all", "line untimed", "line power");

    assertThat(rings).hasSize(3);
    for (int i = 0; i < lines.size(); i++) {
      Element node = in(chart, "line", lines.get(i)).get(0);
      double x = number(rings.get(i), "cx");
      assertThat(at(x, node)).isEqualTo(number(rings.get(i), "cy"), within(0.05));
      assertThat(at(x, baseline)).isEqualTo(number(rings.get(i), "cy"), within(0.05));
    }
  }

  @Test
  void theFullDotIsTheMonthThatWasMeasured() {
    Element chart = picture(parsed(PAGE), "cost of a month by its tokens");
    Element baseline = in(chart, "line", "line baseline").get(0);
    Element now = in(chart, "circle", "now").get(0);
    Element ring = in(chart, "circle", "meets").get(0);
    double origin = number(baseline, "x1");

    assertThat(at(number(now, "cx"), baseline)).isEqualTo(number(now, "cy"), within(0.05));
    assertThat((number(now, "cx") - origin) / (number(ring, "cx") - origin))
        .isEqualTo(9.0834 / 21.1999, within(0.001));
    assertThat(now.getTextContent()).isEqualTo("measured: 9.08 million");
  }

  /** Returns the height of a line at a place. */
  private static double at(double x, Element line) {
    double part = (x - number(line, "x1")) / (number(line, "x2") - number(line, "x1"));
    return number(line, "y1") + part * (number(line, "y2") - number(line, "y1"));
  }

  @Test
  void aPageWithoutACallIsAPageToo() {
    MeterSnapshot empty =
        new MeterSnapshot(
            Samples.SINCE,
            MeterTotals.NOTHING,
            Map.of(),
            Map.of(),
            Map.of(),
            Map.of(),
            Map.of(),
            Map.of(),
            Map.of());

    String page = report(empty).html();

    assertThat(parsed(page).getDocumentElement().getTextContent())
        .contains("No call was billed on these days.")
        .contains("none");
  }
}
