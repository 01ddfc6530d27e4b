// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.testkit.FakeLlm;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A healthy node whose model is not loaded when the batch begins. */
@Timeout(120)
final class ColdNodeTest {
  private static final Clock CLOCK =
      Clock.fixed(Instant.parse("2026-11-21T09:00:00Z"), ZoneOffset.UTC);
  private static final String CSV =
      """
      invoice,customer,email,service,amount,currency,due,reminders
      7,Zoë Müller,zoe@example.com,Website relaunch,4850.00,EUR,2026-10-15,0
      8,Urs Ammann,urs@example.com,Layout,3400.00,CHF,2026-07-31,3
      9,Ana Ferreira,ana@example.com,Photographs,900.00,EUR,2026-09-30,1
      """;

  @TempDir private Path home;

  private final ByteArrayOutputStream out = new ByteArrayOutputStream();

  @ParameterizedTest
  @CsvSource({
    "a load that fits into the limit, '', 1, 30",
    "a load that fits into the limit, --watch, 1, 30",
    "a load that fits into the limit, --stream, 1, 30",
    "a load that is longer than the limit, '', 4, 3",
    "a load that is longer than the limit, --watch, 4, 3",
    "a load that is longer than the limit, --stream, 4, 3"
  })
  void everyDraftIsTheModels(String load, String option, int loadSeconds, int limitSeconds)
      throws Exception {
    try (FakeLlm ollama = FakeLlm.ollama()) {
      ollama.answers("Dear Zoë, please pay.").loadsFor(Duration.ofSeconds(loadSeconds));

      int status = run(environment(ollama, limitSeconds), option);

      assertThat(status).isEqualTo(PaymentFollowUps.ALL_DRAFTED);
      assertThat(out.toString(UTF_8)).as(load).contains("3 drafts: 3 by node (qwen3:8b)");
      assertThat(ollama.loadsBegun()).isBetween(1, 2);
    }
  }

  private static Map<String, String> environment(FakeLlm ollama, int limitSeconds) {
    String prefix = "OFFMETER_ENDPOINTS_0_";
    return Map.of(
        prefix + "NAME",
        "node",
        prefix + "URL",
        ollama.url(),
        prefix + "CONNECT",
        "30s",
        prefix + "TIMEOUT",
        limitSeconds + "s");
  }

  private int run(Map<String, String> environment, String option) throws IOException {
    Path csv = Files.writeString(home.resolve("invoices.csv"), CSV);
    List<String> args = new ArrayList<>(List.of(csv.toString()));
    if (!option.isEmpty()) {
      args.add(option);
    }
    args.add(home.resolve("drafts").toString());
    PrintStream to = new PrintStream(out, true, UTF_8);
    return new PaymentFollowUps(to, to, CLOCK).run(environment, args);
  }
}
