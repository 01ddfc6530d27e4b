// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.answers;

import static dev.offmeter.testing.TwoNodes.primaryState;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ch.qos.logback.classic.Level;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.management.ThreadMXBean;
import dev.offmeter.AllEndpointsFailedException;
import dev.offmeter.Attempt;
import dev.offmeter.Capability;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.Dialect;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.Image;
import dev.offmeter.LlmClient;
import dev.offmeter.Locality;
import dev.offmeter.internal.wire.Protocol;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.testing.Connection;
import dev.offmeter.testing.LoggedEvents;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.ProtocolReplies;
import dev.offmeter.testing.TwoNodes;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Random;
import okhttp3.Request;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** An image goes to each server in its own form, and only to one that may read it. */
@Timeout(60)
class ImagesTest {
  private static final ObjectMapper MAPPER = new ObjectMapper();

  /** Of so many bytes that the last of them need padding. */
  private static final Image PNG = image("\u0089PNG\r\n\u001a\n1234567890", "image/png");

  private static final Image JPEG = image("\u00ff\u00d8\u00ff\u00e0", "image/jpeg");
  private static final Image GIF = image("GIF89a", "image/gif");
  private static final Image WEBP = image("RIFF1234WEBP", "image/webp");
  private static final ChatRequest REQUEST =
      ChatRequest.builder().system("Be brief.").user("What is this?", PNG).build();

  @RegisterExtension final Loopback loopback = new Loopback();
  @RegisterExtension final LoggedEvents log = new LoggedEvents(Level.TRACE);

  private final TwoNodes nodes = TwoNodes.inRealTime(loopback);
  private final Node primary = nodes.primary();
  private final Node fallback = nodes.fallback();

  private static Image image(String latin1, String type) {
    return Image.of(latin1.getBytes(StandardCharsets.ISO_8859_1), type);
  }

  private static String base64(Image image) throws IOException {
    return Base64.getEncoder().encodeToString(image.inputStream().readAllBytes());
  }

  private static JsonNode body(Connection.Request request) throws IOException {
    return MAPPER.readTree(request.body());
  }

  private JsonNode sentTo(ProtocolReplies spoken, ChatRequest request) throws IOException {
    primary.respondWith(OllamaReplies.closing(spoken.textDelta("PRIMARY") + spoken.end(false)));
    LlmClient client = nodes.client(spoken.endpoint("node", primary.url()));
    assertThat(client.chat(request).text()).isEqualTo("PRIMARY");
    return body(primary.requests().get(0));
  }

  private static JsonNode json(String text, Image... images) throws IOException {
    String filled = text;
    for (Image image : images) {
      filled = filled.replaceFirst("BASE64", base64(image));
    }
    return MAPPER.readTree(filled);
  }

  @Test
  void ollamaGetsBase64BesideTheText() throws IOException {
    assertThat(sentTo(ProtocolReplies.OLLAMA, REQUEST).get("messages"))
        .isEqualTo(
            json(
                """
                [{"role":"system","content":"Be brief."},
                 {"role":"user","content":"What is this?","images":["BASE64"]}]
                """,
                PNG));
  }

  @Test
  void openAiGetsPartsWithADataUrl() throws IOException {
    assertThat(sentTo(ProtocolReplies.OPENAI, REQUEST).get("messages"))
        .isEqualTo(
            json(
                """
                [{"role":"system","content":"Be brief."},
                 {"role":"user","content":[
                   {"type":"text","text":"What is this?"},
                   {"type":"image_url","image_url":{"url":"data:image/png;base64,BASE64"}}]}]
                """,
                PNG));
  }

  @Test
  void geminiGetsInlineData() throws IOException {
    assertThat(sentTo(ProtocolReplies.GEMINI, REQUEST).get("contents"))
        .isEqualTo(
            json(
                """
                [{"role":"user","parts":[
                   {"text":"What is this?"},
                   {"inlineData":{"mimeType":"image/png","data":"BASE64"}}]}]
                """,
                PNG));
  }

  @Test
  void anthropicGetsASourceBeforeTheText() throws IOException {
    assertThat(sentTo(ProtocolReplies.ANTHROPIC, REQUEST).get("messages"))
        .isEqualTo(
            json(
                """
                [{"role":"user","content":[
                   {"type":"image","source":
                     {"type":"base64","media_type":"image/png","data":"BASE64"}},
                   {"type":"text","text":"What is this?"}]}]
                """,
                PNG));
  }

  @Test
  void severalImagesKeepTheirOrderAndTheirTurn() throws IOException {
    ChatRequest request =
        ChatRequest.builder()
            .user("Compare.", PNG, JPEG)
            .assistant("They differ.")
            .user("And this?", JPEG)
            .build();

    assertThat(sentTo(ProtocolReplies.OPENAI, request).get("messages"))
        .isEqualTo(
            json(
                """
                [{"role":"user","content":[
                   {"type":"text","text":"Compare."},
                   {"type":"image_url","image_url":{"url":"data:image/png;base64,BASE64"}},
                   {"type":"image_url","image_url":{"url":"data:image/jpeg;base64,BASE64"}}]},
                 {"role":"assistant","content":"They differ."},
                 {"role":"user","content":[
                   {"type":"text","text":"And this?"},
                   {"type":"image_url","image_url":{"url":"data:image/jpeg;base64,BASE64"}}]}]
                """,
                PNG,
                JPEG,
                JPEG));
  }

  private static Image large() {
    byte[] bytes = new byte[10_000_000];
    new Random(7).nextBytes(bytes);
    System.arraycopy(new byte[] {(byte) 0xff, (byte) 0xd8, (byte) 0xff}, 0, bytes, 0, 3);
    return Image.of(bytes, "image/jpeg");
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void aLargeImageArrivesWhole(ProtocolReplies spoken) throws IOException {
    Image large = large();

    JsonNode sent = sentTo(spoken, ChatRequest.builder().user("What is this?", large).build());

    assertThat(sent.toString().contains(base64(large))).isTrue();
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void anImageIsEncodedOnceAndNowhereElse(ProtocolReplies spoken) throws IOException {
    Image large = large();
    ChatRequest request = ChatRequest.builder().user("What is this?", large).build();

    long first = allocatedFor(spoken, request);
    long second = allocatedFor(spoken, request);

    // The body itself has a third more bytes than the image.
    assertThat(Math.min(first, second)).isLessThan(large.length() / 3L * 4 + 1_000_000);
  }

  private static long allocatedFor(ProtocolReplies spoken, ChatRequest request) throws IOException {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long before = threads.getThreadAllocatedBytes(Thread.currentThread().getId());
    Request http = spoken.protocol().request(request).build();
    Protocol.prepareBody(http, () -> false);
    return threads.getThreadAllocatedBytes(Thread.currentThread().getId()) - before;
  }

  @Test
  void anEndpointWithoutVisionIsSkippedWithoutASocket() throws IOException {
    LlmClient client = nodes.client(node -> node.capabilities(Capability.TOOLS));

    ChatResponse response = client.chat(REQUEST);

    assertThat(response.text()).isEqualTo("FALLBACK");
    assertThat(response.attempts().get(0).failure()).contains(FailureKind.NOT_CAPABLE);
    assertThat(primary.requests()).isEmpty();
    assertThat(primary.openConnections()).isZero();
    assertThat(body(fallback.requests().get(0)).toString()).contains(base64(PNG));
  }

  @Test
  void thePlanSaysSoToo() {
    LlmClient client = nodes.client(node -> node.capabilities(Capability.TOOLS));

    assertThat(client.explain(REQUEST).toString())
        .contains("NOT_CAPABLE: the request requires VISION")
        .doesNotContain("iVBOR");
  }

  private static Node.Script refusingImages() {
    return OllamaReplies.status(
        400, "application/json", error("this model does not support image input"));
  }

  @Test
  void oneThatRefusesAnImageIsFollowedByTheNextWhichGetsItToo() throws IOException {
    primary.respondWith(refusingImages());
    ChatResponse response = nodes.client().chat(REQUEST);

    assertThat(response.text()).isEqualTo("FALLBACK");
    assertThat(body(primary.requests().get(0)).toString()).contains(base64(PNG));
    assertThat(body(fallback.requests().get(0)).toString()).contains(base64(PNG));
  }

  @ParameterizedTest
  @CsvSource({
    "cannot decode data:image/jpeg;base64, 0, 60",
    "cannot decode image/jpeg;base64, 0, 12",
    "cannot decode, 40, 400",
    "cannot decode, 13333000, 13333336",
  })
  void nothingOfAnImageIsShown(String words, int from, int to) throws IOException {
    Image large = large();
    String piece = base64(large).substring(from, to);
    String quote = words + (words.endsWith("base64") ? "," : " ") + piece;
    primary.respondWith(OllamaReplies.status(400, "application/json", error(quote)));

    ChatResponse response =
        nodes.client().chat(ChatRequest.builder().user("What is this?", large).build());

    Attempt refused = response.attempts().get(0);
    assertThat(refused.message()).contains("cannot decode").doesNotContain(piece.substring(0, 12));
    assertThat(log.events().toString()).contains("fallback").doesNotContain(piece.substring(0, 12));
  }

  private static String error(String text) {
    return "{\"error\":\"" + text + "\"}";
  }

  /** The refusals of a model without vision, as observed on Ollama 0.32 and llama-server 0.7.0. */
  private enum Refusal {
    OLLAMA(
        ProtocolReplies.OLLAMA,
        400,
        """
        {"error":"{\\"error\\":{\\"code\\":400,\\"message\\":\\"Multimodal data provided, but model\
         does not support multimodal requests.\\",\\"type\\":\\"invalid_request_error\\"}}"}"""),
    LLAMA_SERVER(
        ProtocolReplies.OPENAI,
        500,
        """
        {"error":{"code":500,"message":"image input is not supported - hint: if this is unexpected,\
         you may need to provide the mmproj","type":"server_error"}}""");

    private final ProtocolReplies spoken;
    private final int status;
    private final String body;

    Refusal(ProtocolReplies spoken, int status, String body) {
      this.spoken = spoken;
      this.status = status;
      this.body = body;
    }
  }

  @ParameterizedTest
  @EnumSource(Refusal.class)
  void imagesThatAreRefusedTakeNoEndpointDown(Refusal refusal) {
    primary.respondWith(OllamaReplies.status(refusal.status, "application/json", refusal.body));
    LlmClient client =
        nodes.client(refusal.spoken.endpoint("node", primary.url()).locality(Locality.SELF_HOSTED));
    for (int i = 0; i < 10; i++) {
      ChatRequest request = ChatRequest.builder().user("What is this? " + i, PNG).build();
      ChatResponse response = client.chat(request);

      assertThat(response.attempts()).hasSize(2);
      assertThat(response.attempts().get(0).failure()).contains(FailureKind.BAD_REQUEST);
    }

    assertThat(primaryState(client)).isEqualTo(EndpointState.UP);
  }

  @ParameterizedTest
  @CsvSource({"OLLAMA, false", "OPENAI, true", "GEMINI, false", "ANTHROPIC, true"})
  void aGifGoesOnlyWhereItIsRead(ProtocolReplies spoken, boolean read) {
    primary.respondWith(OllamaReplies.closing(spoken.textDelta("PRIMARY") + spoken.end(false)));
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(spoken.endpoint("node", primary.url()).build())
                .endpoint(Endpoint.local("template", request -> "TEMPLATE").build()));

    ChatResponse response = client.chat(ChatRequest.builder().user("What is this?", GIF).build());

    assertThat(response.text()).isEqualTo(read ? "PRIMARY" : "TEMPLATE");
    assertThat(primary.requests()).hasSize(read ? 1 : 0);
    if (!read) {
      assertThat(response.attempts().get(0).failure()).contains(FailureKind.NOT_CAPABLE);
      assertThat(response.attempts().get(0).message())
          .isEqualTo(
              "the request has an image/gif, and such a server reads only image/jpeg, image/png,"
                  + " image/webp");
    }
  }

  @ParameterizedTest
  @CsvSource({
    "GENERIC, true, true",
    "OPENAI, true, true",
    "VLLM, true, true",
    "LLAMA_SERVER, true, false",
    "OLLAMA, false, true",
    "LM_STUDIO, false, true",
    "GEMINI, false, true",
  })
  void compatibleServersDifferInWhatTheyRead(Dialect dialect, boolean gif, boolean webp) {
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(
                    Endpoint.openAi("node", primary.url()).model("m").dialect(dialect).build()));

    assertThat(isAsked(client, GIF)).isEqualTo(gif);
    assertThat(isAsked(client, WEBP)).isEqualTo(webp);
    assertThat(isAsked(client, PNG, JPEG)).isTrue();
    assertThat(isAsked(client, PNG, GIF)).isEqualTo(gif);
  }

  private static boolean isAsked(LlmClient client, Image... images) {
    ChatRequest request = ChatRequest.builder().user("What is this?", images).build();
    return client.explain(request).endpoints().get(0).isAsked();
  }

  @Test
  void aCallThatNobodyCanServeSaysWhy() {
    LlmClient client =
        loopback.client(LlmClient.builder().endpoint(Loopback.ollama("node", primary).build()));

    assertThatThrownBy(() -> client.chat(ChatRequest.builder().user("this", GIF).build()))
        .isInstanceOf(AllEndpointsFailedException.class)
        .hasMessageContaining("NOT_CAPABLE")
        .hasMessageContaining("image/gif");
  }

  @Test
  void aRepairTurnShowsTheImageAgain() throws IOException {
    ChatRequest request =
        REQUEST.toBuilder().answerSchema("{\"type\":\"object\"}").repairTurn(true).build();
    primary.respondWith(OllamaReplies.answering("no JSON"));
    assertThatThrownBy(() -> nodes.client().chat(request))
        .isInstanceOf(AllEndpointsFailedException.class);

    assertThat(primary.requests()).hasSize(2);
    for (Connection.Request sent : primary.requests()) {
      assertThat(body(sent).toString()).contains(base64(PNG));
    }
  }

  @Test
  void aFunctionGetsTheImage() {
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(
                    Endpoint.local(
                            "function",
                            request -> request.messages().get(1).images().get(0).mediaType())
                        .build()));

    assertThat(client.chat(REQUEST).text()).isEqualTo("image/png");
  }
}
