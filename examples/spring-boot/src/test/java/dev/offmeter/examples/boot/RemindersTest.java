// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples.boot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.testkit.FakeLlm;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.boot.test.context.SpringBootTest.WebEnvironment;
import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;
import org.springframework.test.annotation.DirtiesContext;
import org.springframework.test.context.DynamicPropertyRegistry;
import org.springframework.test.context.DynamicPropertySource;

/** What an application gets: a draft whose node dies, the health, the report, a clear start. */
@SpringBootTest(
    webEnvironment = WebEnvironment.RANDOM_PORT,
    properties = {
      "management.endpoint.health.show-details=always",
      "management.endpoint.health.probes.enabled=true",
      "management.endpoint.health.group.readiness.include=readinessState,offmeter"
    })
@ExtendWith(OutputCaptureExtension.class)
class RemindersTest {
  @RegisterExtension static final FakeLlm mini = FakeLlm.ollama();
  @RegisterExtension static final FakeLlm reserve = FakeLlm.ollama();

  @DynamicPropertySource
  static void nodes(DynamicPropertyRegistry properties) {
    properties.add("MINI_URL", mini::url);
    properties.add("RESERVE_URL", reserve::url);
  }

  private final HttpClient browser = HttpClient.newHttpClient();

  @Value("${local.server.port}")
  int port;

  @Test
  void theDraftComesFromTheReserveWhenTheNodeDiesInMidAnswer() throws Exception {
    mini.streams("Dear", " Ms Kern", ", ...").cutsAfter(1);
    reserve.answers("Dear Ms Kern, your invoice 1042 is overdue.");

    assertThat(get("/reminders/1042")).isEqualTo("Dear Ms Kern, your invoice 1042 is overdue.");
    assertThat(mini.askedTimes()).isEqualTo(1);
    assertThat(get("/actuator/llm"))
        .contains("\"mini\"", "\"reserve\"", "\"outputTokens\"")
        .doesNotContain("Kern");
  }

  @Test
  void theHealthHasEachNode() throws Exception {
    assertThat(get("/actuator/health"))
        .contains("\"offmeter\"", "\"mini\"", "\"origin\":\"" + reserve.url() + "\"");
  }

  @Test
  @DirtiesContext
  void readinessFollowsTheNodesAndLivenessDoesNot() throws Exception {
    mini.refuses();
    reserve.refuses();
    assertThat(status("/reminders/1042")).isEqualTo(500);

    assertThat(status("/actuator/health/readiness")).isEqualTo(503);
    assertThat(status("/actuator/health/liveness")).isEqualTo(200);
  }

  @Test
  void aPostLoadsTheModels() throws Exception {
    HttpResponse<String> reply =
        send(request("/actuator/llm").POST(HttpRequest.BodyPublishers.noBody()));

    assertThat(reply.body()).contains("\"mini\"");
  }

  @Test
  void aMistakeInTheConfigurationFailsTheStartWithItsReason(CapturedOutput output) {
    assertThatThrownBy(() -> SpringApplication.run(Reminders.class, "--offmeter.deadline=soon"))
        .isInstanceOf(RuntimeException.class);

    assertThat(output)
        .contains("APPLICATION FAILED TO START")
        .contains("offmeter.deadline must be a time span such as 15s, 500ms, 2m or PT15S")
        .contains("was 'soon'");
  }

  private String get(String path) throws Exception {
    HttpResponse<String> response = send(request(path));
    assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
    return response.body();
  }

  private int status(String path) throws Exception {
    return send(request(path)).statusCode();
  }

  private HttpRequest.Builder request(String path) {
    return HttpRequest.newBuilder(URI.create("http://localhost:" + port + path));
  }

  private HttpResponse<String> send(HttpRequest.Builder request) throws Exception {
    return browser.send(request.build(), BodyHandlers.ofString());
  }
}
