// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.observe;

import static dev.offmeter.observe.Diagnosis.Outcome.FAILED;
import static dev.offmeter.observe.Diagnosis.Outcome.OK;
import static dev.offmeter.observe.Diagnosis.Outcome.SKIPPED;
import static dev.offmeter.observe.Diagnosis.Outcome.UNKNOWN;
import static dev.offmeter.testing.Loopback.awaitSoon;
import static dev.offmeter.testing.TwoNodes.primaryState;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.ClientInternals;
import dev.offmeter.Dialect;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.observe.Diagnosis.Finding;
import dev.offmeter.observe.Diagnosis.Outcome;
import dev.offmeter.observe.Diagnosis.Step;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.ServerReplies;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import mockwebserver3.MockResponse;
import mockwebserver3.MockWebServer;
import okhttp3.Dns;
import okhttp3.OkHttpClient;
import okhttp3.tls.HandshakeCertificates;
import okhttp3.tls.HeldCertificate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Checks everything at once, for an operator who is woken at night. */
@Timeout(20)
class DiagnosisTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final Node.Script NO_PATH =
      OllamaReplies.status(404, "text/plain", "404 page not found");

  private static Node.Script json(String text) {
    return OllamaReplies.status(200, "application/json", text.replace('`', '"'));
  }

  /** Answers each path as it says; all others are not there. */
  private Node server(Map<String, Node.Script> paths) {
    Node.Script routed =
        (connection, request) -> {
          Node.Script script = NO_PATH;
          for (Map.Entry<String, Node.Script> path : paths.entrySet()) {
            script = request.line().contains(path.getKey()) ? path.getValue() : script;
          }
          script.answer(connection, request);
        };
    return loopback.node(routed).respondToProbesWith(routed).respondToInquiriesWith(routed);
  }

  private static Map<String, Node.Script> ollamaPaths() {
    Map<String, Node.Script> paths = new LinkedHashMap<>();
    paths.put("/api/version", json("{`version`:`0.33.0`}"));
    paths.put("/api/tags", json("{`models`:[{`name`:`qwen3:8b`},{`name`:`gemma3:4b`}]}"));
    paths.put("/api/show", json("{`model_info`:{`qwen3.context_length`:40960}}"));
    paths.put("/api/ps", json("{`models`:[]}"));
    paths.put("/api/chat", OllamaReplies.answering("O"));
    return paths;
  }

  private static Endpoint.Builder ollama(Node node) {
    return Endpoint.ollama("mac-mini", node.url()).model("qwen3:8b");
  }

  private LlmClient client(Endpoint.Builder... endpoints) {
    return client(Stream.of(endpoints).map(Endpoint.Builder::build).toArray(Endpoint[]::new));
  }

  private LlmClient client(Endpoint... endpoints) {
    LlmClient.Builder builder = LlmClient.builder();
    List.of(endpoints).forEach(builder::endpoint);
    return loopback.client(builder);
  }

  private static Finding finding(Diagnosis diagnosis, String endpoint, Step step) {
    List<Finding> findings = diagnosis.endpoints().get(endpoint);
    assertThat(findings).extracting(Finding::step).containsExactly(Step.values());
    return findings.get(step.ordinal());
  }

  private static void assertThatStep(
      Diagnosis diagnosis, Step step, Outcome outcome, String detail) {
    String endpoint = diagnosis.endpoints().keySet().iterator().next();
    Finding finding = finding(diagnosis, endpoint, step);
    assertThat(finding.outcome()).as("%s of\n%s", step, diagnosis).isEqualTo(outcome);
    assertThat(finding.detail()).as("%s of\n%s", step, diagnosis).contains(detail);
  }

  private static void assertThatFails(Diagnosis diagnosis, Step step, FailureKind kind) {
    String endpoint = diagnosis.endpoints().keySet().iterator().next();
    Finding finding = finding(diagnosis, endpoint, step);
    assertThat(finding.kind()).as("%s of\n%s", step, diagnosis).contains(kind);
    assertThat(finding.outcome()).isEqualTo(FAILED);
    assertThat(finding.link()).contains(kind.link());
    assertThat(diagnosis.isHealthy()).isFalse();
  }

  @Test
  void anOllamaThatIsWellTellsAll() {
    Node node = server(ollamaPaths());

    Diagnosis diagnosis = client(ollama(node)).diagnose();

    assertThat(diagnosis.isHealthy()).as("%s", diagnosis).isTrue();
    assertThatStep(diagnosis, Step.ADDRESS, OK, node.url());
    assertThatStep(diagnosis, Step.DNS, OK, "not needed");
    assertThatStep(diagnosis, Step.PROXY, OK, "none");
    assertThatStep(diagnosis, Step.TCP, OK, node.url().replace("http://", ""));
    assertThatStep(diagnosis, Step.TLS, SKIPPED, "the address is http");
    assertThatStep(diagnosis, Step.ACCESS, OK, "no login");
    assertThatStep(diagnosis, Step.VERSION, OK, "0.33.0");
    assertThatStep(diagnosis, Step.KEY, SKIPPED, "none is sent");
    assertThatStep(diagnosis, Step.MODEL, OK, "one of 2");
    assertThatStep(diagnosis, Step.LOADED, OK, "not in memory");
    assertThatStep(diagnosis, Step.CONTEXT, OK, "40960");
    assertThatStep(diagnosis, Step.ANSWER, OK, "tokens/s");
    assertThat(node.requests().get(node.requests().size() - 1).body())
        .contains("\"num_predict\":1");
  }

  @Test
  void aLoadedModelHasTheContextThatItWasLoadedWith() {
    Map<String, Node.Script> paths = ollamaPaths();
    paths.put(
        "/api/ps",
        json("{`models`:[{`name`:`qwen3:8b`,`expires_at`:`soon`,`context_length`:4096}]}"));

    Diagnosis diagnosis = client(ollama(server(paths))).diagnose();

    assertThatStep(diagnosis, Step.LOADED, OK, "in memory until soon");
    assertThatStep(diagnosis, Step.CONTEXT, OK, "4096 tokens");
  }

  @Test
  void withoutTokensNothingIsGenerated() {
    Node node = server(ollamaPaths());

    Diagnosis diagnosis = client(ollama(node)).diagnose(false);

    assertThatStep(diagnosis, Step.ANSWER, SKIPPED, "no token");
    assertThat(diagnosis.isHealthy()).isTrue();
    assertThat(node.requests()).noneMatch(request -> request.line().contains("/api/chat"));
  }

  @Test
  void aModelThatIsNotThereIsNamedWithThoseThatAre() {
    Map<String, Node.Script> paths = ollamaPaths();
    paths.put("/api/tags", json("{`models`:[{`name`:`gemma3:4b`}]}"));
    Node.Script missing =
        OllamaReplies.status(404, "application/json", "{\"error\":\"model 'qwen3:8b' not found\"}");
    paths.put("/api/show", missing);
    paths.put("/api/chat", missing);

    Diagnosis diagnosis = client(ollama(server(paths))).diagnose();

    assertThatFails(diagnosis, Step.MODEL, FailureKind.MODEL_NOT_FOUND);
    assertThatFails(diagnosis, Step.ANSWER, FailureKind.MODEL_NOT_FOUND);
    assertThatStep(diagnosis, Step.LOADED, SKIPPED, "the server does not have the model");
    assertThatStep(client(ollama(server(paths))).diagnose(false), Step.MODEL, FAILED, "");
  }

  @Test
  void whereNobodyListensTheRestIsNotReached() {
    Diagnosis diagnosis =
        client(Endpoint.ollama("mac-mini", Loopback.unusedUrl()).model("m")).diagnose();

    assertThatFails(diagnosis, Step.TCP, FailureKind.CONNECTION_REFUSED);
    assertThatStep(diagnosis, Step.ACCESS, SKIPPED, "not reached");
    assertThatStep(diagnosis, Step.ANSWER, SKIPPED, "not reached");
  }

  private LlmClient resolving(Dns dns, Endpoint.Builder endpoint) {
    OkHttpClient http = new OkHttpClient.Builder().dns(dns).build();
    return loopback.client(LlmClient.builder().httpClient(http).endpoint(endpoint.build()));
  }

  @Test
  void aHostWithoutAnAddressFailsAtItsLookup() {
    Endpoint.Builder nowhere = Endpoint.ollama("mac-mini", "https://llm.example.org").model("m");
    Diagnosis diagnosis =
        resolving(
                host -> {
                  throw new UnknownHostException(host);
                },
                nowhere)
            .diagnose();

    assertThatFails(diagnosis, Step.DNS, FailureKind.UNKNOWN_HOST);
    assertThatStep(diagnosis, Step.DNS, FAILED, "llm.example.org");
    assertThatStep(diagnosis, Step.TCP, SKIPPED, "not reached");
    assertThatStep(diagnosis, Step.TLS, SKIPPED, "not reached");
  }

  @Test
  void aLoginPageIsNamedAndNothingBehindItIsAsked() {
    Node node =
        loopback.node(
            OllamaReplies.status(
                302, "text/html", "", "Location: https://team.cloudflareaccess.com/login"));
    node.respondToProbesWith(
        OllamaReplies.status(
            302, "text/html", "", "Location: https://team.cloudflareaccess.com/login"));

    Diagnosis diagnosis = client(ollama(node)).diagnose();

    assertThatFails(diagnosis, Step.ACCESS, FailureKind.ACCESS_DENIED);
    assertThatStep(diagnosis, Step.TCP, OK, "127.0.0.1");
    assertThatStep(diagnosis, Step.MODEL, SKIPPED, "not reached");
    assertThat(node.requests().size() + node.probes().size()).isOne();
  }

  @Test
  void aTunnelThatIsDownIsNamed() {
    Node.Script down = OllamaReplies.status(530, "text/plain", "error code: 1033");
    Node node = loopback.node(down).respondToProbesWith(down);

    assertThatFails(client(ollama(node)).diagnose(), Step.ACCESS, FailureKind.TUNNEL_DOWN);
  }

  @Test
  void aWrongKeyIsNamedAndAGoodOneIsAccepted() {
    Map<String, Node.Script> paths = ollamaPaths();
    paths.replaceAll(
        (path, script) ->
            (connection, request) ->
                (request.header("Authorization").equals("Bearer good-key")
                        ? script
                        : OllamaReplies.status(401, "text/plain", request.header("Authorization")))
                    .answer(connection, request));
    Node node = server(paths);

    Diagnosis wrong = client(ollama(node).apiKey("canary-key")).diagnose();
    assertThatFails(wrong, Step.KEY, FailureKind.UNAUTHORIZED);
    assertThat(wrong.toString()).doesNotContain("canary-key");

    assertThatStep(client(ollama(node).apiKey("good-key")).diagnose(false), Step.KEY, OK, "");
  }

  @Test
  void aKeyThatIsWantedAndNotSetIsSaidToBeMissing() {
    Map<String, Node.Script> paths = ollamaPaths();
    paths.replaceAll((path, script) -> OllamaReplies.status(401, "text/plain", "unauthorized"));

    Diagnosis keyless = client(ollama(server(paths))).diagnose(false);
    assertThatFails(keyless, Step.KEY, FailureKind.UNAUTHORIZED);
    assertThatStep(
        keyless, Step.KEY, FAILED, "none is sent, but the server requires one: unauthorized");

    Diagnosis wrong = client(ollama(server(paths)).apiKey("some-key")).diagnose(false);
    assertThat(finding(wrong, "mac-mini", Step.KEY).detail()).isEqualTo("unauthorized");
  }

  @Test
  void aProxyThatLetsOnlyCallsThroughIsNoFault() {
    Map<String, Node.Script> paths = new LinkedHashMap<>();
    paths.put("/api/chat", OllamaReplies.answering("O"));

    Diagnosis diagnosis = client(ollama(server(paths)).apiKey("some-key")).diagnose();

    assertThat(diagnosis.isHealthy()).as("%s", diagnosis).isTrue();
    assertThatStep(diagnosis, Step.VERSION, UNKNOWN, "does not report it");
    assertThatStep(diagnosis, Step.MODEL, OK, "it answers");
    assertThatStep(diagnosis, Step.KEY, OK, "by the answer");
  }

  @Test
  void aServerThatSaysNothingIsGivenUpAndTheNextIsAsked() throws Exception {
    ManualTime time = loopback.manualTime();
    Node mute = loopback.node(OllamaReplies.hanging()).respondToProbesWith(OllamaReplies.hanging());
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(ollama(mute).connectTimeout(Duration.ofSeconds(2)).build())
                .endpoint(
                    Endpoint.ollama("arm-node", server(ollamaPaths()).url())
                        .model("qwen3:8b")
                        .build()));

    CompletableFuture<Diagnosis> call = CompletableFuture.supplyAsync(client::diagnose);
    awaitSoon(() -> mute.probes().size() == 1);
    time.advance(Duration.ofSeconds(7));

    Diagnosis diagnosis = call.get(10, TimeUnit.SECONDS);
    assertThatFails(diagnosis, Step.ACCESS, FailureKind.UNRESPONSIVE);
    assertThat(finding(diagnosis, "arm-node", Step.ANSWER).outcome()).isEqualTo(OK);
  }

  @Test
  void anAnswerThatDoesNotComeEndsWithTheEndpointsTimeout() throws Exception {
    ManualTime time = loopback.manualTime();
    Map<String, Node.Script> paths = ollamaPaths();
    paths.put("/api/chat", OllamaReplies.hanging());
    Node node = server(paths);
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(ollama(node).timeout(Duration.ofSeconds(30)).build()));

    CompletableFuture<Diagnosis> call = CompletableFuture.supplyAsync(client::diagnose);
    awaitSoon(() -> node.requests().stream().anyMatch(r -> r.line().contains("/api/chat")));
    time.advance(Duration.ofSeconds(30));

    Diagnosis diagnosis = call.get(10, TimeUnit.SECONDS);
    assertThatFails(diagnosis, Step.ANSWER, FailureKind.ATTEMPT_TIMEOUT);
    assertThatStep(diagnosis, Step.MODEL, OK, "installed");
  }

  @Test
  void neitherItsOutcomeNorItsRequestsChangeAnEndpointsHealth() {
    Node.Script broken = OllamaReplies.status(500, "text/plain", "out of memory");
    Node node = loopback.node(broken).respondToProbesWith(broken);
    LlmClient client = client(ollama(node));
    for (int i = 0; i < 3; i++) {
      assertThat(client.diagnose().isHealthy()).isFalse();
    }

    assertThat(primaryState(client)).isEqualTo(EndpointState.UP);
    assertThat(client.status().endpoints().get(0).asked()).isFalse();
  }

  @Test
  void anEndpointThatIsDownIsAskedAllTheSame() {
    Node node = loopback.node(OllamaReplies.status(530, "text/plain", "error code: 1033"));
    LlmClient client = client(ollama(node));
    assertThatThrownBy(() -> client.chat("a reminder")).isInstanceOf(LlmException.class);
    node.respondWith(OllamaReplies.answering("O"));

    assertThatStep(client.diagnose(), Step.ANSWER, OK, "tokens/s");
    assertThat(primaryState(client)).isEqualTo(EndpointState.DOWN);
  }

  @Test
  void aFunctionIsNotCalled() {
    Endpoint template =
        Endpoint.local(
                "template",
                request -> {
                  throw new AssertionError("was called");
                })
            .build();

    Diagnosis diagnosis = client(template).diagnose();

    assertThat(diagnosis.isHealthy()).isTrue();
    assertThat(diagnosis.toString().lines()).hasSize(2);
    assertThatStep(diagnosis, Step.ADDRESS, OK, "a function in this process");
    assertThatStep(diagnosis, Step.ANSWER, SKIPPED, "");
  }

  @Test
  void theTokenCountsAsARequestOfTheMinute() {
    Node node = server(ollamaPaths());
    LlmClient client = client(ollama(node).requestsPerMinute(1));

    assertThatStep(client.diagnose(), Step.ANSWER, OK, "tokens/s");
    assertThatStep(client.diagnose(), Step.ANSWER, SKIPPED, "used up");
  }

  @Test
  void anOpenAiCompatibleServerTellsWhatItsKindTells() {
    Node node =
        server(
            Map.of(
                "/v1/models", json("{`data`:[{`id`:`qwen`,`max_model_len`:8192}]}"),
                "/version", json("{`version`:`0.12.1`}"),
                "/v1/chat/completions", ServerReplies.openAi("O")));
    Endpoint.Builder vllm = Endpoint.openAi("vllm", node.url()).model("qwen").dialect(Dialect.VLLM);

    Diagnosis diagnosis = client(vllm).diagnose();

    assertThat(diagnosis.isHealthy()).as("%s", diagnosis).isTrue();
    assertThatStep(diagnosis, Step.VERSION, OK, "0.12.1");
    assertThatStep(diagnosis, Step.MODEL, OK, "in the list of 1");
    assertThatStep(diagnosis, Step.CONTEXT, OK, "8192 tokens");
    assertThatFails(
        client(Endpoint.openAi("vllm", node.url()).model("other")).diagnose(false),
        Step.MODEL,
        FailureKind.MODEL_NOT_FOUND);
  }

  @Test
  void aLlamaServerTellsItsContextAndTakesAnyName() {
    Node node =
        server(
            Map.of(
                "/v1/models", json("{`data`:[{`id`:`m.gguf`,`meta`:{`n_ctx_train`:32768}}]}"),
                "/props",
                    json("{`build_info`:`b4500-x`,`default_generation_settings`:{`n_ctx`:2048}}"),
                "/v1/chat/completions", ServerReplies.openAi("O")));
    Endpoint.Builder llama =
        Endpoint.openAi("llama", node.url()).model("any").dialect(Dialect.LLAMA_SERVER);

    Diagnosis diagnosis = client(llama).diagnose();

    assertThat(diagnosis.isHealthy()).as("%s", diagnosis).isTrue();
    assertThatStep(diagnosis, Step.VERSION, OK, "b4500-x");
    assertThatStep(diagnosis, Step.MODEL, OK, "m.gguf");
    assertThatStep(diagnosis, Step.LOADED, OK, "in memory");
    assertThatStep(diagnosis, Step.CONTEXT, OK, "2048 tokens");
  }

  @Test
  void aServerThatIsLoadingSaysSo() {
    Node.Script loading =
        OllamaReplies.status(
            503, "application/json", "{\"error\":{\"message\":\"Loading model\",\"code\":503}}");
    Node node = loopback.node(loading).respondToProbesWith(loading);
    Endpoint.Builder llama =
        Endpoint.openAi("llama", node.url()).model("any").dialect(Dialect.LLAMA_SERVER);

    assertThatFails(client(llama).diagnose(), Step.LOADED, FailureKind.SERVER_BUSY);
  }

  @Test
  void managedServersAreAskedToo() {
    Node google =
        server(
            Map.of(
                "/v1beta/models/gemini-2.5-flash",
                    json("{`name`:`models/gemini-2.5-flash`,`inputTokenLimit`:1048576}"),
                ":streamGenerateContent", ServerReplies.gemini("O")));
    Node anthropic =
        server(
            Map.of(
                "/v1/models", json("{`data`:[{`id`:`claude-x`}]}"),
                "/v1/messages", ServerReplies.anthropic("O")));

    Diagnosis gemini =
        client(Endpoint.gemini("gemini", google.url()).model("gemini-2.5-flash").apiKey("some-key"))
            .diagnose(false);
    assertThatStep(gemini, Step.KEY, OK, "");
    assertThatStep(gemini, Step.CONTEXT, OK, "1048576 tokens");
    Diagnosis claude =
        client(Endpoint.anthropic("claude", anthropic.url()).model("claude-x").apiKey("k-key"))
            .diagnose();
    assertThat(claude.isHealthy()).as("%s", claude).isTrue();
    assertThatStep(claude, Step.CONTEXT, UNKNOWN, "does not report it");
    assertThatStep(claude, Step.MODEL, OK, "in the list");
  }

  private Diagnosis overTls(HeldCertificate certificate, boolean trusted) throws Exception {
    return overTls(certificate, certificate, trusted);
  }

  private Diagnosis overTls(HeldCertificate certificate, HeldCertificate root, boolean trusted)
      throws Exception {
    try (MockWebServer server = new MockWebServer()) {
      HandshakeCertificates own =
          new HandshakeCertificates.Builder().heldCertificate(certificate).build();
      server.useHttps(own.sslSocketFactory());
      server.start();
      HandshakeCertificates trusting =
          trusted
              ? new HandshakeCertificates.Builder()
                  .addTrustedCertificate(root.certificate())
                  .build()
              : new HandshakeCertificates.Builder().addPlatformTrustedCertificates().build();
      OkHttpClient http =
          new OkHttpClient.Builder()
              .dns(host -> List.of(InetAddress.getLoopbackAddress()))
              .sslSocketFactory(trusting.sslSocketFactory(), trusting.trustManager())
              .build();
      Endpoint mini =
          Endpoint.ollama("mac-mini", "https://llm.example.org:" + server.getPort())
              .model("m")
              .build();
      LlmClient client = loopback.client(LlmClient.builder().httpClient(http).endpoint(mini));
      server.enqueue(
          new MockResponse.Builder()
              .setHeader("Content-Type", "application/json")
              .body("{\"version\":\"0.33.0\"}")
              .build());
      CompletableFuture<Diagnosis> call =
          CompletableFuture.supplyAsync(() -> client.diagnose(false));
      if (trusted) {
        for (int i = 0; i < 3; i++) {
          server.enqueue(new MockResponse.Builder().code(404).build());
        }
      }
      return call.get(10, TimeUnit.SECONDS);
    }
  }

  private static HeldCertificate.Builder certificate(String host) {
    return new HeldCertificate.Builder().commonName(host).addSubjectAlternativeName(host);
  }

  @Test
  void aGoodCertificateSaysUntilWhen() throws Exception {
    HeldCertificate good = certificate("llm.example.org").duration(30, TimeUnit.DAYS).build();

    Diagnosis diagnosis = overTls(good, true);

    assertThatStep(diagnosis, Step.TLS, OK, "certificate until ");
    assertThatStep(diagnosis, Step.DNS, OK, "127.0.0.1");
    assertThatStep(diagnosis, Step.VERSION, OK, "0.33.0");
  }

  @Test
  void aCertificateOfAnotherHostIsNamed() throws Exception {
    Diagnosis diagnosis = overTls(certificate("other.example.org").build(), true);

    assertThatFails(diagnosis, Step.TLS, FailureKind.TLS_FAILED);
    assertThatStep(diagnosis, Step.TLS, FAILED, "the certificate is for other.example.org");
    assertThatStep(diagnosis, Step.TCP, OK, "127.0.0.1");
  }

  @Test
  void aCertificateThatHasExpiredOrThatNobodyHasSignedIsNamed() throws Exception {
    long now = System.currentTimeMillis();
    HeldCertificate root = certificate("root").certificateAuthority(0).build();
    HeldCertificate expired =
        certificate("llm.example.org")
            .validityInterval(now - 86_400_000L, now - 3_600_000L)
            .signedBy(root)
            .build();

    assertThatStep(overTls(expired, root, true), Step.TLS, FAILED, "the certificate has expired");
    assertThatStep(
        overTls(certificate("llm.example.org").build(), false),
        Step.TLS,
        FAILED,
        "no trusted authority has signed");
  }

  @Test
  void theTableHasALineForEachStepAndALinkWhereSomethingIsWrong() {
    Diagnosis diagnosis =
        client(Endpoint.ollama("mac-mini", Loopback.unusedUrl()).model("m")).diagnose();

    List<String> lines = diagnosis.toString().lines().toList();
    assertThat(lines).hasSize(1 + Step.values().length);
    assertThat(lines.get(0)).startsWith("endpoint  step     finding             details");
    assertThat(lines.get(1)).startsWith("mac-mini  address  ok ");
    assertThat(lines).anyMatch(line -> line.endsWith("troubleshooting.md#connection-refused"));
  }

  @Test
  void closingTheClientEndsIt() throws Exception {
    Node mute = loopback.node(OllamaReplies.hanging()).respondToProbesWith(OllamaReplies.hanging());
    LlmClient client = client(ollama(mute));
    CompletableFuture<Diagnosis> call = CompletableFuture.supplyAsync(client::diagnose);
    awaitSoon(() -> mute.probes().size() == 1);

    client.close();

    assertThat(call.get(5, TimeUnit.SECONDS).isHealthy()).isFalse();
    assertThatThrownBy(client::diagnose).isInstanceOf(IllegalStateException.class);
  }
}
