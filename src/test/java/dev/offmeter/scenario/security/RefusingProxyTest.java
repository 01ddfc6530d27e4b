// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.security;

import static dev.offmeter.testing.TwoNodes.template;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.Attempt;
import dev.offmeter.ChatResponse;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.URI;
import okhttp3.Credentials;
import okhttp3.OkHttpClient;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A proxy on the way to a server with TLS that does not let the connection through. */
@Timeout(20)
class RefusingProxyTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static OkHttpClient.Builder through(Node proxy) {
    InetSocketAddress address =
        new InetSocketAddress("127.0.0.1", URI.create(proxy.url()).getPort());
    return new OkHttpClient.Builder().proxy(new Proxy(Proxy.Type.HTTP, address));
  }

  private LlmClient client(OkHttpClient http) {
    return loopback.client(
        LlmClient.builder()
            .httpClient(http)
            .endpoint(
                Endpoint.openAi("primary", "https://llm.example.org")
                    .model("m")
                    .apiKey("the-secret-key")
                    .build())
            .endpoint(template()));
  }

  private Attempt firstAttempt(OkHttpClient http) {
    ChatResponse response = client(http).chat("a reminder");
    assertThat(response.text()).isEqualTo("TEMPLATE");
    return response.attempts().get(0);
  }

  @ParameterizedTest
  @CsvSource({
    "407, UNAUTHORIZED",
    "401, UNAUTHORIZED",
    "403, ACCESS_DENIED",
    "405, ACCESS_DENIED",
    "302, REDIRECTED",
    "429, RATE_LIMITED",
    "502, ORIGIN_UNREACHABLE",
    "503, ORIGIN_UNREACHABLE",
    "504, ORIGIN_UNREACHABLE",
    "511, ACCESS_DENIED"
  })
  void itsRefusalIsNamedForWhatItIs(int status, FailureKind kind) {
    Node proxy =
        loopback.node(
            OllamaReplies.status(
                status,
                "text/html",
                "<html>no</html>",
                "Proxy-Authenticate: Basic realm=\"x\"",
                "Location: http://login.example.org"));

    Attempt attempt = firstAttempt(through(proxy).build());

    assertThat(attempt.failure()).contains(kind);
    assertThat(attempt.status()).hasValue(status);
    assertThat(attempt.message()).contains("a proxy ");
    assertThat(proxy.requests())
        .isNotEmpty()
        .allSatisfy(
            request -> {
              assertThat(request.line()).isEqualTo("CONNECT llm.example.org:443 HTTP/1.1");
              assertThat(String.join("\n", request.head()) + request.body())
                  .doesNotContain("the-secret-key", "a reminder");
            });
  }

  @Test
  void aLoginThatItRefusesIsOneToo() {
    Node proxy =
        loopback.node(
            (connection, request) -> {
              OllamaReplies.status(407, "", "", "Proxy-Authenticate: Basic", "Connection: close")
                  .answer(connection, request);
              connection.close();
            });
    OkHttpClient stubborn =
        through(proxy)
            .proxyAuthenticator(
                (route, response) ->
                    response
                        .request()
                        .newBuilder()
                        .header("Proxy-Authorization", Credentials.basic("user", "wrong"))
                        .build())
            .build();

    assertThat(firstAttempt(stubborn).failure()).contains(FailureKind.UNAUTHORIZED);
  }
}
