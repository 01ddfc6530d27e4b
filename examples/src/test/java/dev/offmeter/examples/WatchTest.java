// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.testkit.FakeLlm;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import mockwebserver3.Dispatcher;
import mockwebserver3.MockResponse;
import mockwebserver3.MockWebServer;
import mockwebserver3.RecordedRequest;
import mockwebserver3.junit5.StartStop;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The endpoints, watched while the drafts are made. */
@Timeout(120)
final class WatchTest {
  private static final Clock CLOCK =
      Clock.fixed(Instant.parse("2026-11-21T09:00:00Z"), ZoneOffset.UTC);
  private static final String CSV =
      """
      invoice,customer,email,service,amount,currency,due,reminders
      7,Zoë Müller,zoe@example.com,Website relaunch,4850.00,EUR,2026-10-15,0
      """;
  private static final String HEAD =
      "\nendpoint  state       for    next  in flight  first p50/p95  total p50/p95\n";

  @StartStop private final MockWebServer ollama = new MockWebServer();

  @TempDir private Path home;

  private final Watched out = new Watched();
  private final ByteArrayOutputStream err = new ByteArrayOutputStream();

  @Test
  void whatIsDownIsSeenAndTheReportFollowsAsUsual() throws Exception {
    int status = run(nothing(), "--watch");

    assertThat(status).isEqualTo(PaymentFollowUps.ALL_DRAFTED);
    assertThat(out.text())
        .startsWith("Drafting 1 email into ")
        .containsPattern(
            HEAD
                + "primary   DOWN .* s  +0 +- +-\n"
                + "  CONNECTION_REFUSED: .*\n"
                + "template  UP .*\n"
                + "1 of 1: 1 by template\n\ninvoice ")
        .contains("[1/1] 7, Zoë Müller: template, ", "\n1 draft: 1 by template\n")
        .doesNotContain("\u001b");
    assertThat(home.resolve("drafts/invoice-7.eml")).exists();
  }

  @Test
  void oneThatAnswersShowsHowLongItTook() throws Exception {
    try (FakeLlm node = FakeLlm.ollama().hasModels("qwen3:8b")) {
      run(endpoint(node.url()), "--watch");
    }

    assertThat(out.text())
        .containsPattern(
            "node      UP +\\d+ s +- +0 +\\d.*/.* s +\\d.*/.* s\ntemplate .*\n1 of 1: 1 by node");
    assertThat(out.text().split(HEAD)).as("nothing has changed: one table").hasSize(2);
  }

  @Test
  void modelIsWarmedUpBeforeTheFirstDraftAndThatIsSeen() throws Exception {
    ollama.setDispatcher(new ColdOllama());

    run(endpoint(ollama.url("/").toString()), "--watch");

    assertThat(out.text()).containsPattern("node      WARMING .*\n  MODEL_COLD: ");
  }

  @Test
  void theLogAndTheDraftsScrollByAboveTheTable() {
    PrintStream before = System.err;
    PrintStream terminal = new PrintStream(out, true, UTF_8);
    System.setErr(terminal);
    Endpoint template = Endpoint.local("template", Letter::fromTemplate).build();
    Panel panel = new Panel(terminal, true);
    try (LlmClient llm = LlmClient.builder().endpoint(template).build()) {
      try (Watch watch = new Watch(llm, 2, panel)) {
        Invoice invoice = InvoiceCsv.shipped(LocalDate.now(CLOCK)).invoices().get(0);
        watch.answerTo(invoice);
        System.err.println("WARN something");
        panel.above(terminal, UTF_8).println("[1/2] a draft");
        watch.answerTo(invoice);
      }
      assertThat(System.err).isSameAs(terminal);
    } finally {
      System.setErr(before);
    }

    assertThat(TestTerminal.isRestored(out.text())).isTrue();
    assertThat(TestTerminal.showing(out.text()))
        .startsWith("WARN something", "[1/2] a draft", "", HEAD.strip())
        .endsWith("2 of 2: 2 by template", "")
        .hasSize(7);
  }

  @Test
  void streamAndWatchTogetherAreOneLineWithTheUsage() throws Exception {
    assertThat(run(nothing(), "--stream", "--watch")).isEqualTo(PaymentFollowUps.COULD_NOT_RUN);
    assertThat(err.toString(UTF_8).strip())
        .isEqualTo(
            "--stream and --watch both need the end of the screen: choose one; usage: [--stream |"
                + " --watch] [--report report.html] [invoices.csv [folder]], or --check");
    assertThat(home.resolve("drafts")).doesNotExist();
  }

  private int run(Map<String, String> environment, String... options) throws IOException {
    Path csv = Files.writeString(home.resolve("invoices.csv"), CSV);
    List<String> args = new ArrayList<>(List.of(csv.toString()));
    args.addAll(List.of(options));
    args.add(home.resolve("drafts").toString());
    PrintStream toOut = new PrintStream(out, true, UTF_8);
    PrintStream toErr = new PrintStream(err, true, UTF_8);
    return new PaymentFollowUps(toOut, toErr, CLOCK).run(environment, args);
  }

  /** Returns settings with long limits: on a busy machine a first connection can take seconds. */
  private static Map<String, String> endpoint(String url) {
    Map<String, String> environment = new HashMap<>();
    String prefix = "OFFMETER_ENDPOINTS_0_";
    environment.put(prefix + "NAME", "node");
    environment.put(prefix + "URL", url);
    List.of("CONNECT", "TIMEOUT", "STALL").forEach(at -> environment.put(prefix + at, "60s"));
    return environment;
  }

  /** The address of a server that has just gone. */
  private static Map<String, String> nothing() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return Map.of("OLLAMA_PRIMARY_URL", "http://127.0.0.1:" + socket.getLocalPort());
    }
  }

  /** Loads its model no sooner than the loading is on show. */
  private final class ColdOllama extends Dispatcher {
    @Override
    public MockResponse dispatch(RecordedRequest request) {
      return switch (request.getUrl().encodedPath()) {
        case "/api/version" -> reply("{\"version\":\"0.32.0\"}");
        case "/api/ps" -> reply("{\"models\":[]}");
        case "/api/generate" -> whenLoaded("{\"done\":true}");
        default -> whenLoaded(Typist.line("Dear Zoë, please pay.") + Typist.LAST);
      };
    }

    private MockResponse whenLoaded(String body) {
      try {
        out.await("WARMING");
        return reply(body);
      } catch (IOException e) {
        return new MockResponse.Builder().code(500).build();
      }
    }

    private MockResponse reply(String body) {
      return new MockResponse.Builder().body(body).build();
    }
  }
}
