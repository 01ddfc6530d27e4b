// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The links of the documentation lead somewhere, and its first sample is compiled and run. */
class DocumentationTest {
  private static final Pattern SECTION = Pattern.compile("]\\(([\\w./-]*)#([\\w-]+)\\)");

  /** A sample below the name of the file that it is taken from. */
  private static final Pattern QUOTATION =
      Pattern.compile("<!-- from ([\\w./-]+) -->\n```\\w+\n(.*?)```", Pattern.DOTALL);

  private static final Path README = Path.of("README.md");
  private static final Pattern LINK = Pattern.compile("\\]\\(([^)#\\s]+)(#[^)]*)?\\)");

  private static String firstSample() throws IOException {
    Matcher sample =
        Pattern.compile("```java\n(.*?)```", Pattern.DOTALL).matcher(Files.readString(README));
    assertThat(sample.find()).isTrue();
    return sample.group(1).strip();
  }

  @Test
  void theFirstSampleIsTheQuickstartThatIsCompiledAndRun() throws IOException {
    String quickstart =
        Files.readString(Path.of("examples/src/main/java/dev/offmeter/examples/Quickstart.java"));

    String shown =
        quickstart.replaceFirst("(?s).*?(?=import )", "").replaceFirst("(?s)/\\*\\*.*?\\*/\n", "");

    assertThat(firstSample()).isEqualTo(shown.strip());
  }

  @Test
  void aSampleThatNamesItsFileIsInThatFile() throws IOException {
    List<String> wrong = new ArrayList<>();
    for (Path page : pages()) {
      Matcher quotation = QUOTATION.matcher(Files.readString(page));
      while (quotation.find()) {
        List<String> file = unindented(Files.readString(Path.of(quotation.group(1))));
        List<String> sample = unindented(quotation.group(2));
        if (sample.isEmpty() || Collections.indexOfSubList(file, sample) < 0) {
          wrong.add(page + " <- " + quotation.group(1) + ": " + sample.stream().findFirst());
        }
      }
    }
    assertThat(wrong).isEmpty();
  }

  private static List<String> unindented(String text) {
    return text.lines().map(String::strip).toList();
  }

  @Test
  void theReadmeIsShortAndShowsCodeSoon() throws IOException {
    List<String> lines = Files.readAllLines(README);

    assertThat(lines).hasSizeLessThanOrEqualTo(130);
    assertThat(lines.indexOf("```java")).isLessThan(25);
    assertThat(firstSample().lines().count()).isLessThanOrEqualTo(15);
  }

  @Test
  void everyLinkToAFileLeadsSomewhere() throws IOException {
    List<String> broken = new ArrayList<>();
    for (Path page : pages()) {
      Matcher link = LINK.matcher(Files.readString(page));
      while (link.find()) {
        String target = link.group(1);
        Path parent = page.toAbsolutePath().getParent();
        if (!target.startsWith("http") && !Files.exists(parent.resolve(target))) {
          broken.add(page + " -> " + target);
        }
      }
    }
    assertThat(broken).isEmpty();
  }

  @Test
  void everyLinkToASectionLeadsToOne() throws IOException {
    List<String> broken = new ArrayList<>();
    for (Path page : pages()) {
      Matcher link = SECTION.matcher(Files.readString(page));
      while (link.find()) {
        Path parent = page.toAbsolutePath().getParent();
        Path target = link.group(1).isEmpty() ? page : parent.resolve(link.group(1));
        if (Files.exists(target) && !anchors(target).contains(link.group(2))) {
          broken.add(page + " -> " + link.group(1) + "#" + link.group(2));
        }
      }
    }
    assertThat(broken).isEmpty();
  }

  /** Returns the anchors that GitHub makes of a page's headings. */
  private static List<String> anchors(Path page) throws IOException {
    return Files.readAllLines(page).stream()
        .filter(line -> line.startsWith("#"))
        .map(line -> line.replaceFirst("#+ ", "").toLowerCase(Locale.ROOT))
        .map(line -> line.replaceAll("[^\\p{L}\\p{N} _-]", "").replace(' ', '-'))
        .toList();
  }

  private static List<Path> pages() throws IOException {
    try (Stream<Path> docs = Files.list(Path.of("docs"));
        Stream<Path> root = Files.list(Path.of("."))) {
      return Stream.concat(docs, root).filter(path -> path.toString().endsWith(".md")).toList();
    }
  }
}
