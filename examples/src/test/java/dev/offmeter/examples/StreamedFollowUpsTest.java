// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import jakarta.mail.Session;
import jakarta.mail.internet.MimeMessage;
import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import mockwebserver3.MockResponse;
import mockwebserver3.MockWebServer;
import mockwebserver3.junit5.StartStop;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The drafts, watched while they are written. */
@Timeout(120)
final class StreamedFollowUpsTest {
  private static final Clock CLOCK =
      Clock.fixed(Instant.parse("2026-11-21T09:00:00Z"), ZoneOffset.UTC);
  private static final String CSV =
      """
      invoice,customer,email,service,amount,currency,due,reminders
      7,Zoë Müller,zoe@example.com,Website relaunch,4850.00,EUR,2026-10-15,0
      """;
  @StartStop private final MockWebServer ollama = new MockWebServer();
  @StartStop private final MockWebServer fallback = new MockWebServer();

  @TempDir private Path home;

  private final Watched out = new Watched();
  private final ByteArrayOutputStream err = new ByteArrayOutputStream();

  @Test
  void draftIsShownWhileItIsWrittenAndEqualsTheFile() throws Exception {
    ollama.enqueue(Typist.finishing(out, "Dear Zoë,\n\n", "please", " pay."));

    int status = run(endpoints(ollama), "--stream");

    assertThat(status).isEqualTo(PaymentFollowUps.ALL_DRAFTED);
    assertThat(draft()).isEqualTo("Dear Zoë,\n\nplease pay.");
    assertThat(out.text())
        .contains("== 7, Zoë Müller ==\n" + draft() + "\n[1/1] 7, Zoë Müller: node-0 (qwen3:8b)");
  }

  @Test
  void nodeThatDiesInTheMidstIsSeenAndItsTextIsNotInTheFile() throws Exception {
    ollama.enqueue(Typist.dying(out, "Dear Zoë,\n\n", "half an"));
    fallback.enqueue(Typist.finishing(out, "Dear Ms Müller,", " please pay."));

    int status = run(endpoints(ollama, fallback), "--stream");

    assertThat(status).isEqualTo(PaymentFollowUps.ALL_DRAFTED);
    assertThat(draft()).isEqualTo("Dear Ms Müller, please pay.");
    assertThat(out.text())
        .contains(
            """
            == 7, Zoë Müller ==
            Dear Zoë,

            half an
            -- node-0: TRUNCATED; its text is void, starting again --
            Dear Ms Müller, please pay.
            [1/1] 7, Zoë Müller: node-1 (qwen3:8b)""");
  }

  @Test
  void templateIsShownWhenNoServerIsReachable() throws Exception {
    int status = run(nothing(), "--stream");

    assertThat(status).isEqualTo(PaymentFollowUps.ALL_DRAFTED);
    assertThat(out.text()).contains("== 7, Zoë Müller ==\n" + draft() + "\n[1/1] 7, ");
    assertThat(out.text()).doesNotContain("void").contains("1 draft: 1 by template");
  }

  @Test
  void warningsOfTheLogWaitForTheEndOfTheDraft() throws Exception {
    PrintStream before = System.err;
    System.setErr(new PrintStream(out, true, UTF_8));
    try {
      run(nothing(), "--stream");
    } finally {
      System.setErr(before);
    }

    assertThat(out.text()).contains(draft() + "\nWARN endpoint primary at ");
  }

  @Test
  void withoutTheOptionNothingIsShownOfADraft() throws Exception {
    run(nothing());

    assertThat(draft()).startsWith("Dear Zoë Müller,");
    assertThat(out.text()).doesNotContain("==", "Dear");
  }

  @Test
  void filesAndTableAreTheSameWithAndWithoutTheOption() throws Exception {
    run(nothing());
    String table = table();
    String draft = draft();

    run(nothing(), "--stream");

    assertThat(table()).isEqualTo(table);
    assertThat(draft()).isEqualTo(draft);
  }

  @Test
  void controlCharactersOfAModelDoNotReachTheOutput() throws Exception {
    String content = "Dear\\u001b[2J Zoë,\\u009b1A\\u0007 please\\r pay.";
    ollama.enqueue(new MockResponse.Builder().body(Typist.line(content) + Typist.LAST).build());

    run(endpoints(ollama), "--stream");

    assertThat(out.text()).contains("\nDear[2J Zoë,1A please pay.\n");
  }

  @Test
  void unknownOptionIsOneLineWithTheUsage() throws Exception {
    assertThat(run(nothing(), "--strem")).isEqualTo(PaymentFollowUps.COULD_NOT_RUN);
    assertThat(err.toString(UTF_8).strip())
        .isEqualTo(
            "unknown option --strem; usage: [--stream | --watch] [--report report.html]"
                + " [invoices.csv [folder]], or --check");
    assertThat(home.resolve("drafts")).doesNotExist();
  }

  @Test
  void thirdPathIsOneLineWithTheUsage() throws Exception {
    assertThat(run(nothing(), "more")).isEqualTo(PaymentFollowUps.COULD_NOT_RUN);
    assertThat(err.toString(UTF_8).lines())
        .singleElement()
        .asString()
        .startsWith("one argument too many: ")
        .endsWith(
            "; usage: [--stream | --watch] [--report report.html] [invoices.csv [folder]], or"
                + " --check");
  }

  /** The option stands between the two paths: it may stand anywhere. */
  private int run(Map<String, String> environment, String... options) throws IOException {
    Path csv = Files.writeString(home.resolve("invoices.csv"), CSV);
    List<String> args = new ArrayList<>(List.of(csv.toString()));
    args.addAll(List.of(options));
    args.add(home.resolve("drafts").toString());
    PrintStream toOut = new PrintStream(new BufferedOutputStream(out), false, UTF_8);
    PrintStream toErr = new PrintStream(err, true, UTF_8);
    int status = new PaymentFollowUps(toOut, toErr, CLOCK).run(environment, args);
    toOut.flush();
    return status;
  }

  /** Returns settings with long limits: on a busy machine a first connection can take seconds. */
  private static Map<String, String> endpoints(MockWebServer... servers) {
    Map<String, String> environment = new HashMap<>();
    for (int i = 0; i < servers.length; i++) {
      String prefix = "OFFMETER_ENDPOINTS_" + i + "_";
      environment.put(prefix + "NAME", "node-" + i);
      environment.put(prefix + "URL", servers[i].url("/").toString());
      List.of("CONNECT", "TIMEOUT", "STALL").forEach(at -> environment.put(prefix + at, "60s"));
    }
    return environment;
  }

  /** The address of a server that has just gone. */
  private static Map<String, String> nothing() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return Map.of("OLLAMA_PRIMARY_URL", "http://127.0.0.1:" + socket.getLocalPort());
    }
  }

  private String draft() throws Exception {
    try (InputStream file = Files.newInputStream(home.resolve("drafts/invoice-7.eml"))) {
      String text = (String) new MimeMessage((Session) null, file).getContent();
      return text.replace("\r\n", "\n").strip();
    }
  }

  /** Returns the table of the last run, without the times. */
  private String table() {
    String shown = out.text();
    return shown.substring(shown.lastIndexOf("\ninvoice ")).replaceAll("[0-9]+\\.[0-9]+", "0.00");
  }
}
