// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.testkit.FakeLlm;
import jakarta.mail.MessagingException;
import jakarta.mail.Session;
import jakarta.mail.internet.InternetAddress;
import jakarta.mail.internet.MimeMessage;
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
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import mockwebserver3.MockResponse;
import mockwebserver3.MockWebServer;
import mockwebserver3.junit5.StartStop;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class PaymentFollowUpsTest {
  private static final Clock CLOCK =
      Clock.fixed(Instant.parse("2026-11-21T09:00:00Z"), ZoneOffset.UTC);
  private static final String HEADER =
      "invoice,customer,email,service,amount,currency,due,reminders";
  private static final String ZOE =
      "2026/7,Zoë Müller,zoe@example.com,Website relaunch,4850.00,EUR,2026-10-15,0";
  private static final String URS =
      "2026/8,Urs Ammann,urs@example.com,Layout,3400.00,CHF,2026-07-31,3";

  @RegisterExtension private final FakeLlm node = FakeLlm.ollama();
  @StartStop private final MockWebServer ollama = new MockWebServer();

  @TempDir private Path home;

  private final ByteArrayOutputStream out = new ByteArrayOutputStream();
  private final ByteArrayOutputStream err = new ByteArrayOutputStream();

  @Test
  void templateDraftsEveryInvoiceWhenNoServerIsReachable() throws Exception {
    int status = run(nothing(), csv(ZOE, URS));

    assertThat(status).isEqualTo(PaymentFollowUps.ALL_DRAFTED);
    assertThat(drafts()).containsExactly("invoice-2026_7.eml", "invoice-2026_8.eml");
    assertThat(draft("invoice-2026_7.eml").getHeader("X-Drafted-By")).containsExactly("template");
    assertThat(text(draft("invoice-2026_7.eml")))
        .contains("Dear Zoë Müller,", "EUR 4,850.00", "15 October 2026", "Perhaps it has slipped");
    assertThat(text(draft("invoice-2026_8.eml"))).contains("CHF 3,400.00", "after 3 reminders");
    assertThat(shown(out)).contains("[2/2] 2026/8, Urs Ammann: template, ", "2 by template");
  }

  @Test
  void ollamaDraftsWhenItAnswersAndTheTableSaysSo() throws Exception {
    ollama.enqueue(answer("Dear Zoë,\\n\\nplease pay.", "stop", 30));

    int status = run(primary(), csv(ZOE));

    assertThat(status).isEqualTo(PaymentFollowUps.ALL_DRAFTED);
    MimeMessage draft = draft("invoice-2026_7.eml");
    assertThat(draft.getHeader("X-Drafted-By")).containsExactly("primary (qwen3:8b)");
    assertThat(text(draft)).isEqualTo("Dear Zoë,\r\n\r\nplease pay.\r\n");
    assertThat(shown(out)).containsPattern("2026/7 +primary +1 +[0-9.]+ +20 +30\\R");
    assertThat(shown(out)).contains("1 draft: 1 by primary (qwen3:8b)");
    assertThat(ollama.takeRequest().getBody().utf8())
        .contains("Zoë Müller", "tone: polite", "\"num_predict\":400", "\"temperature\":0.4")
        .doesNotContain("zoe@example.com");
  }

  @Test
  void templateTakesOverWhenOllamaFailsHalfway() throws Exception {
    node.answers("Dear Zoë").then().status(500);

    int status = run(primary(node.url()), csv(ZOE, URS));

    assertThat(status).isEqualTo(PaymentFollowUps.ALL_DRAFTED);
    assertThat(shown(out)).contains("2 drafts: 1 by primary (qwen3:8b), 1 by template");
    assertThat(drafts()).hasSize(2);
  }

  @Test
  void aBatchEndsWithWhatItCostAndWhatTheReserveWouldHaveCharged() throws Exception {
    ollama.enqueue(answer("Dear Zoë", "stop", 30));
    Map<String, String> environment = new HashMap<>(primary());
    String reserve = "OFFMETER_ENDPOINTS_1_";
    environment.put(reserve + "NAME", "reserve");
    environment.put(reserve + "TYPE", "gemini");
    environment.put(reserve + "MODEL", "a-model");
    environment.put(reserve + "PRICEIN", "10");
    environment.put(reserve + "PRICEOUT", "100");
    environment.put("OFFMETER_BASELINE", "reserve");

    assertThat(run(environment, csv(ZOE))).isEqualTo(PaymentFollowUps.ALL_DRAFTED);

    assertThat(shown(out))
        .containsPattern("Cost: 0\\.00, compute time: [0-9.]+ s\\R")
        .contains(
            "The baseline would have charged 0.0032 USD, saved: 0.0032 USD",
            "Cost per accepted email: 0.00");
  }

  @Test
  void aReportIsWrittenThoughNoServerIsReachable() throws Exception {
    Path report = home.resolve("report.html");
    List<String> args =
        List.of("--report", report.toString(), csv(ZOE, URS).toString(), home + "/drafts");

    assertThat(program().run(nothing(), args)).isEqualTo(PaymentFollowUps.ALL_DRAFTED);

    assertThat(shown(out))
        .contains("Cost: 0.00, compute time: ", "No baseline to compare with")
        .contains("What it cost, on one page: " + report);
    assertThat(Files.readString(report))
        .contains("By feature", "payment-follow-up", "By tone", "polite", "firm", "email-accepted")
        .contains("</html>")
        .doesNotContain("Zoë", "zoe@example.com", "4,850.00");
  }

  @Test
  void aReportThatCannotBeWrittenIsStatusTwo() throws Exception {
    List<String> args =
        List.of("--report", home + "/no/report.html", csv(ZOE).toString(), home + "/drafts");

    assertThat(program().run(nothing(), args)).isEqualTo(PaymentFollowUps.COULD_NOT_RUN);
    assertThat(shown(err)).contains("cannot write " + home + "/no/report.html: no such file");
    assertThat(drafts()).hasSize(1);

    assertThat(program().run(nothing(), List.of("--report")))
        .isEqualTo(PaymentFollowUps.COULD_NOT_RUN);
    assertThat(shown(err)).contains("--report must be followed by a file; usage: ");
  }

  @Test
  void answerCutAtTheTokenLimitIsMarkedWhereverItIsSeen() throws Exception {
    run(nothing(), csv(ZOE));
    ollama.enqueue(answer("Dear Zoë, we are", "length", 400));

    int status = run(primary(), csv(ZOE));

    assertThat(status).isEqualTo(PaymentFollowUps.SOME_NEED_A_LOOK);
    assertThat(drafts()).containsExactly("invoice-2026_7.INCOMPLETE.eml");
    MimeMessage draft = draft("invoice-2026_7.INCOMPLETE.eml");
    assertThat(draft.getHeader("X-Draft-Incomplete")).containsExactly("yes");
    assertThat(draft.getSubject()).startsWith("[INCOMPLETE] ");
    assertThat(shown(out)).containsPattern("2026/7 +primary .*400 {2}INCOMPLETE\\R");
  }

  @Test
  void accentsInHeadersSurviveAndTheFileIsAsciiWithCrlf() throws Exception {
    String sender = "Łukasz Søren 株式会社さくら商事 and quite a few more words to fold the line";
    run(nothing(), csv(ZOE.replace("Zoë Müller", sender)));

    String raw = Files.readString(home.resolve("drafts/invoice-2026_7.eml"), US_ASCII);
    assertThat(raw.replace("\r\n", "")).doesNotContain("\r", "\n");
    assertThat(raw.lines()).allSatisfy(line -> assertThat(line).hasSizeLessThanOrEqualTo(78));
    MimeMessage draft = draft("invoice-2026_7.eml");
    InternetAddress to = (InternetAddress) draft.getAllRecipients()[0];
    assertThat(to.getPersonal()).isEqualTo(sender);
    assertThat(to.getAddress()).isEqualTo("zoe@example.com");
    assertThat(draft.getSentDate()).isEqualTo(CLOCK.instant());
    assertThat(draft.getContentType()).isEqualTo("text/plain; charset=UTF-8");
  }

  @Test
  void badRowIsReportedByLineAndTheOthersAreDrafted() throws Exception {
    int status = run(nothing(), csv(ZOE, "oops", URS));

    String problem = "line 3: the number of columns is 1 instead of 8";
    assertThat(status).isEqualTo(PaymentFollowUps.SOME_NEED_A_LOOK);
    assertThat(shown(err)).contains(problem);
    assertThat(shown(out)).contains("1 without a draft:" + System.lineSeparator() + "  " + problem);
    assertThat(drafts()).hasSize(2);
  }

  @Test
  void checkTellsOfEveryEndpointAndDraftsNothing() {
    ollama.enqueue(new MockResponse.Builder().body("{\"version\":\"0.33.0\"}").build());
    ollama.enqueue(
        new MockResponse.Builder().body("{\"models\":[{\"name\":\"qwen3:8b\"}]}").build());
    ollama.enqueue(new MockResponse.Builder().code(404).build());
    ollama.enqueue(new MockResponse.Builder().body("{\"models\":[]}").build());
    ollama.enqueue(answer("O", "length", 1));

    assertThat(program().run(primary(), List.of("--check"))).isZero();

    assertThat(shown(out))
        .containsPattern("primary +address +ok +http://")
        .containsPattern("version +ok +0.33.0")
        .containsPattern("answer +ok +1 token in ")
        .containsPattern("template +address +ok +a function in this process");
    assertThat(home.resolve("drafts")).doesNotExist();
  }

  @Test
  void checkOfAServerThatIsGoneEndsWithAStatusOfItsOwn() throws Exception {
    assertThat(program().run(nothing(), List.of("--check"))).isEqualTo(PaymentFollowUps.NOT_WELL);

    assertThat(shown(out)).contains("CONNECTION_REFUSED", "troubleshooting.md#connection-refused");
    assertThat(program().run(nothing(), List.of("--check", "x.csv")))
        .isEqualTo(PaymentFollowUps.COULD_NOT_RUN);
  }

  @Test
  void missingFileIsOneLineAndStatusTwo() throws Exception {
    Path missing = home.resolve("missing.csv");

    assertThat(run(nothing(), missing)).isEqualTo(PaymentFollowUps.COULD_NOT_RUN);
    assertThat(shown(err)).isEqualToIgnoringNewLines("cannot read " + missing + ": no such file");
  }

  @Test
  void wrongVariableIsOneLineAndStatusTwo() throws Exception {
    Map<String, String> wrong = Map.of("OLLAMA_PRIMARY_TIMEOUT", "soon");

    assertThat(run(wrong, csv(ZOE))).isEqualTo(PaymentFollowUps.COULD_NOT_RUN);
    assertThat(shown(err).lines())
        .singleElement()
        .asString()
        .startsWith("OLLAMA_PRIMARY_TIMEOUT must be");
    assertThat(home.resolve("drafts")).doesNotExist();
  }

  @ParameterizedTest
  @ValueSource(strings = {"openai", "llama-server", "gemini", "anthropic"})
  void anyServerDraftsWithoutAChangeToTheProgram(String type) throws Exception {
    try (FakeLlm server = serverOf(type)) {
      server.answers("Dear Zoë, please pay.");
      Map<String, String> environment = new HashMap<>(primary(server.url()));
      environment.put("OFFMETER_ENDPOINTS_0_TYPE", type);
      environment.put("OFFMETER_ENDPOINTS_0_MODEL", "a-model");

      assertThat(run(environment, csv(ZOE))).isEqualTo(PaymentFollowUps.ALL_DRAFTED);
    }
    assertThat(draft("invoice-2026_7.eml").getHeader("X-Drafted-By"))
        .containsExactly("primary (a-model)");
    assertThat(text(draft("invoice-2026_7.eml"))).isEqualTo("Dear Zoë, please pay.\r\n");
  }

  private static FakeLlm serverOf(String type) {
    return switch (type) {
      case "gemini" -> FakeLlm.gemini();
      case "anthropic" -> FakeLlm.anthropic();
      default -> FakeLlm.openAi();
    };
  }

  private int run(Map<String, String> environment, Path csv) {
    List<String> args = List.of(csv.toString(), home.resolve("drafts").toString());
    return program().run(environment, args);
  }

  private PaymentFollowUps program() {
    PrintStream toOut = new PrintStream(out, true, UTF_8);
    PrintStream toErr = new PrintStream(err, true, UTF_8);
    return new PaymentFollowUps(toOut, toErr, CLOCK);
  }

  private Path csv(String... rows) throws IOException {
    String text = HEADER + "\n" + String.join("\n", rows) + "\n";
    return Files.writeString(home.resolve("invoices.csv"), text);
  }

  /** Returns settings with long limits: on a busy machine a first connection can take seconds. */
  private Map<String, String> primary() {
    return primary(ollama.url("/").toString());
  }

  private static Map<String, String> primary(String url) {
    String one = "OFFMETER_ENDPOINTS_0_";
    return Map.of(
        one + "NAME", "primary", one + "URL", url, one + "CONNECT", "60s", one + "TIMEOUT", "60s");
  }

  /** The address of a server that has just gone. */
  private static Map<String, String> nothing() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return Map.of("OLLAMA_PRIMARY_URL", "http://127.0.0.1:" + socket.getLocalPort());
    }
  }

  private static MockResponse answer(String content, String reason, int tokens) {
    String piece =
        """
        {"model":"qwen3:8b","message":{"role":"assistant","content":"%s"},"done":false}
        {"model":"qwen3:8b","message":{"role":"assistant","content":""},"done":true,\
        "done_reason":"%s","prompt_eval_count":20,"eval_count":%d}
        """;
    return new MockResponse.Builder()
        .setHeader("Content-Type", "application/x-ndjson")
        .body(piece.formatted(content, reason, tokens))
        .build();
  }

  private List<String> drafts() throws IOException {
    try (var files = Files.list(home.resolve("drafts"))) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }

  private MimeMessage draft(String name) throws IOException, MessagingException {
    try (InputStream file = Files.newInputStream(home.resolve("drafts").resolve(name))) {
      return new MimeMessage((Session) null, file);
    }
  }

  private static String text(MimeMessage draft) throws IOException, MessagingException {
    return (String) draft.getContent();
  }

  private static String shown(ByteArrayOutputStream stream) {
    return stream.toString(UTF_8);
  }
}
