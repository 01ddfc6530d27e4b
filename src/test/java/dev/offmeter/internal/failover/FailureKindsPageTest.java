// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.circuit.HealthEffect;
import dev.offmeter.internal.failover.FailurePolicy.CallAction;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** The table of {@code docs/failure-kinds.md} is what the code says. */
class FailureKindsPageTest {
  private static final Path PAGE = Path.of("docs/failure-kinds.md");
  private static final Path SOURCE = Path.of("src/main/java/dev/offmeter/FailureKind.java");

  /** A Javadoc comment and the constant behind it. */
  private static final Pattern CONSTANT =
      Pattern.compile("/\\*\\*((?:(?!\\*/).)*)\\*/\\s+([A-Z_]+)\\(", Pattern.DOTALL);

  private static final Pattern GENERATED =
      Pattern.compile("(?<=<!-- generated -->\n).*(?=<!-- end -->)", Pattern.DOTALL);

  private static final Map<CallAction, String> CALL =
      Map.of(
          CallAction.NEXT_ENDPOINT, "next",
          CallAction.RETRY_OR_NEXT_ENDPOINT, "retry",
          CallAction.STOP, "stop");
  private static final Map<HealthEffect, String> HEALTH =
      Map.of(
          HealthEffect.NONE, "none",
          HealthEffect.COUNT_FAILURE, "counts",
          HealthEffect.OPEN, "trips",
          HealthEffect.LOAD_MODEL, "warms",
          HealthEffect.COOL_DOWN, "cools",
          HealthEffect.OPEN_UNTIL_REPAIRED, "operator");

  @Test
  void thePageHasTheTableThatTheCodeMakes() throws IOException {
    String page = Files.readString(PAGE);
    String wanted = GENERATED.matcher(page).replaceFirst(Matcher.quoteReplacement(table()));
    if ("write".equals(System.getProperty("offmeter.docs"))) {
      Files.writeString(PAGE, wanted);
    }

    assertThat(page)
        .as("mvn -Dtest=FailureKindsPageTest -Doffmeter.docs=write test")
        .isEqualTo(wanted);
  }

  private static String table() throws IOException {
    Map<String, String> sentences = new HashMap<>();
    Matcher constant = CONSTANT.matcher(Files.readString(SOURCE));
    while (constant.find()) {
      sentences.put(constant.group(2), firstSentence(constant.group(1)));
    }
    StringBuilder table =
        new StringBuilder(
            "| kind | category | what happened | call | health |\n|---|---|---|---|---|\n");
    for (FailureKind kind : FailureKind.values()) {
      FailurePolicy.Verdict verdict = FailurePolicy.of(kind);
      String happened = sentences.get(kind.name());
      assertThat(happened.split(" ")).as(kind.name()).hasSizeLessThanOrEqualTo(15);
      table.append(
          String.format(
              "| [`%s`](troubleshooting.md#%s) | %s | %s | %s | %s |%n",
              kind.name(),
              kind.anchor(),
              kind.category().name().toLowerCase(Locale.ROOT),
              happened,
              CALL.get(verdict.action()),
              HEALTH.get(verdict.effect())));
    }
    return table.toString();
  }

  private static String firstSentence(String javadoc) {
    String text = javadoc.replaceAll("\\s*\\n\\s*\\*\\s?", " ").strip();
    return text.replaceFirst("(?s)\\.\\s.*", ".").replaceAll("\\{@code ([^}]*)}", "`$1`");
  }
}
