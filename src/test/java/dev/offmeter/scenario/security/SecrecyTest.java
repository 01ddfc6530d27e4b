// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.security;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.classic.spi.IThrowableProxy;
import ch.qos.logback.core.read.ListAppender;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.offmeter.Attempt;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.Message;
import dev.offmeter.StreamRecovery;
import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.ConnectException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import javax.net.ssl.SSLException;
import okhttp3.Interceptor;
import okhttp3.OkHttpClient;
import okhttp3.Response;
import okhttp3.ResponseBody;
import okio.Buffer;
import okio.ForwardingSource;
import okio.Okio;
import okio.Source;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.slf4j.LoggerFactory;

/**
 * A canary in every place that holds a secret, and a look at every place where it must not sing.
 */
@Timeout(20)
class SecrecyTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final String PROMPT = "canary-prompt: Zoë owes 1,042.50 EUR and is ill";
  private static final String ANSWER = "canary-answer: Dear Zoë, please pay by Friday";
  private static final String THOUGHT = "canary-thought: she will never pay that";
  private static final String KEY = "canary-key-7f3a";
  private static final String ACCESS_ID = "canary-id-99.access";
  private static final String ACCESS_SECRET = "canary-secret-e1d2";
  private static final String HEADER = "canary-header-5566";

  private final List<String> seen = new CopyOnWriteArrayList<>();
  private final ListAppender<ILoggingEvent> log = new ListAppender<>();
  private final Logger root = (Logger) LoggerFactory.getLogger(Logger.ROOT_LOGGER_NAME);
  private Level levelBefore;

  @BeforeEach
  void listenToEverything() {
    levelBefore = root.getLevel();
    root.setLevel(Level.TRACE);
    root.detachAppender("CONSOLE");
    log.start();
    root.addAppender(log);
  }

  @AfterEach
  void restoreTheLog() {
    root.detachAppender(log);
    root.setLevel(levelBefore);
  }

  static List<Node.Script> everyKindOfReply() {
    String thought = "<think>" + THOUGHT + "</think>";
    List<Node.Script> replies = new ArrayList<>();
    replies.add(OllamaReplies.answering(thought, ANSWER));
    replies.add(OllamaReplies.answering("<think>" + THOUGHT));
    for (int status : new int[] {200, 302, 400, 401, 403, 404, 407, 429, 500, 502, 503, 530}) {
      for (String body :
          List.of(
              "{\"error\":\"cannot parse: " + PROMPT + "\"}",
              "{\"error\":{\"message\":\"bad key " + KEY + " and " + ACCESS_SECRET + "\"}}",
              "<html><title>" + PROMPT + "</title>" + KEY + "</html>",
              "rejected: Bearer " + KEY,
              HEADER)) {
        replies.add(OllamaReplies.status(status, "text/html", body, "X-Echo: " + KEY));
      }
    }
    String begun = OllamaReplies.STREAM_HEAD + OllamaReplies.tokens(thought, ANSWER);
    for (String end :
        List.of(
            OllamaReplies.chunk("{\"error\":\"lost after: " + ANSWER + " " + KEY + "\"}\n"),
            OllamaReplies.chunk(ANSWER + "\n"),
            OllamaReplies.chunk("{\"message\":{\"content\":\"" + ANSWER + "\", oops}}\n"),
            OllamaReplies.chunk("{\"message\":{\"content\":[\"" + ANSWER + "\"]}}\n"),
            OllamaReplies.end("load", 1))) {
      replies.add((connection, request) -> connection.send(begun + end + OllamaReplies.LAST_CHUNK));
    }
    for (String framing :
        List.of(
            ANSWER + "\r\n",
            "canary-x",
            "5 canary-x\r\n",
            "5;" + KEY,
            "fffffffffffffffffff" + ANSWER + "\r\n",
            "5\r\n" + ANSWER + "\r\n",
            "1\r\n\ncanary-x",
            "0\r\n" + ANSWER + "\r\n",
            "0\r\ncanary-x")) {
      replies.add(
          (connection, request) -> {
            connection.send(begun + framing);
            connection.close();
          });
    }
    for (String head : List.of("HTTP/1.1 200 " + ANSWER, "HTTP/1.1 " + ANSWER, "canary-x")) {
      replies.add(
          (connection, request) -> {
            connection.send(head);
            connection.close();
          });
    }
    replies.add(
        (connection, request) -> {
          connection.send("HTTP/1.1 200 X\r\nContent-Length: " + ANSWER + "\r\n\r\n" + ANSWER);
          connection.close();
        });
    replies.add(
        (connection, request) -> {
          connection.send("HTTP/1.1 200 X\r\n" + KEY + "\r\n: " + ANSWER + "\r\n\r\n");
          connection.close();
        });
    replies.add(
        (connection, request) -> {
          connection.send(ANSWER + " " + KEY + "\r\n\r\n");
          connection.close();
        });
    replies.add(
        (connection, request) -> {
          connection.send(begun);
          connection.reset();
        });
    return replies;
  }

  @ParameterizedTest
  @MethodSource("everyKindOfReply")
  void noReplyLeaksASecret(Node.Script reply) {
    Node node = loopback.node(reply);
    Endpoint endpoint =
        Endpoint.ollama("node", node.url())
            .model("m")
            .apiKey(KEY)
            .cloudflareAccess(() -> ACCESS_ID, () -> ACCESS_SECRET)
            .header("X-Tenant", HEADER)
            .retries(0)
            .build();
    call(endpoint);
    assertSilence();
  }

  static List<Named<Interceptor>> everyKindOfInterceptorThatFails() {
    String asked = "cannot send '" + PROMPT + "' with " + KEY;
    String heard = "cannot read '" + ANSWER + "' for " + HEADER;
    return List.of(
        Named.of(
            "before the request",
            chain -> {
              throw new IOException(asked);
            }),
        Named.of(
            "before the request, with a cause",
            chain -> {
              throw new IOException("wrapped", new IOException(asked));
            }),
        Named.of(
            "before the request, with a key only",
            chain -> {
              throw new ConnectException("rejected: " + KEY);
            }),
        Named.of(
            "before the request, with an unchecked exception",
            chain -> {
              throw new IllegalStateException(asked);
            }),
        Named.of(
            "after the head of the reply",
            chain -> {
              chain.proceed(chain.request()).close();
              throw new SSLException(asked);
            }),
        Named.of(
            "in the middle of the answer",
            chain -> {
              Response response = chain.proceed(chain.request());
              return response
                  .newBuilder()
                  .body(
                      ResponseBody.create(
                          Okio.buffer(new Failing(response.body().source(), heard)), null, -1))
                  .build();
            }));
  }

  /** A body that fails where it should end. */
  private static final class Failing extends ForwardingSource {
    private final String message;

    Failing(Source body, String message) {
      super(body);
      this.message = message;
    }

    @Override
    public long read(Buffer sink, long count) throws IOException {
      long read = super.read(sink, count);
      if (read < 0) {
        throw new IOException(message);
      }
      return read;
    }
  }

  @ParameterizedTest
  @MethodSource("everyKindOfInterceptorThatFails")
  void noInterceptorLeaksASecret(Interceptor interceptor) {
    String unended =
        OllamaReplies.STREAM_HEAD + OllamaReplies.tokens(ANSWER) + OllamaReplies.LAST_CHUNK;
    Node node = loopback.node((connection, request) -> connection.send(unended));
    Endpoint endpoint =
        Endpoint.ollama("node", node.url())
            .model("m")
            .apiKey(KEY)
            .header("X-Tenant", HEADER)
            .build();
    for (OkHttpClient.Builder own :
        List.of(
            new OkHttpClient.Builder().addInterceptor(interceptor),
            new OkHttpClient.Builder().addNetworkInterceptor(interceptor))) {
      call(LlmClient.builder().httpClient(own.build()).endpoint(endpoint));
    }
    assertThat(seen).as("each call failed").noneMatch(text -> text.contains("ChatResponse"));
    assertSilence();
  }

  /** The argument that a model wrote into a tool call: it stands in no request. */
  private static final String WRITTEN = "canary-tool: Kern, DE02 1203 0000 0000 2020 51";

  /** The errors of servers, with what they quote in the place of the mark. */
  private static final List<String> WORDINGS =
      List.of(
          "error parsing tool call: raw='{\"customer\":\"@\"}]', err=invalid character ']'",
          "error parsing tool call: raw='it's @', err=invalid character 'c'",
          "error parsing tool call: raw=@",
          "error parsing tool call: raw=\"@\", err=x",
          "Failed to parse input at pos 12: @",
          "XML syntax error on line 8: element <@> closed by </@>",
          "1 validation error for Request\nmessages.0.content\n  Input should be a valid string "
              + "[type=string_type, input_value='@', input_type=str]",
          "[{'type': 'missing', 'loc': ('body', '@'), 'msg': 'Field required', 'input': {'a': '@'}}]",
          "[json.exception.parse_error.101] parse error at line 1, column 5; last read: '@'",
          "invalid value `@`",
          "cannot use \u201c@\u201d here",
          "cannot use \u201e@\u201c or \u00ab@\u00bb here",
          "bad arguments \"@\" for tool '@'",
          "it's '@', isn't it",
          "an unended '@",
          "Invalid JSON payload received. Unexpected token.\n{\"contents\": [{\"parts\": \"@",
          "tool call validation failed: errors: [`/customer`: expected string, got `@`]",
          "Failed to parse messages: bad role; messages = [{\"role\":\"x\",\"content\":\"@\"}]",
          "GroqException - {\"error\":{\"message\":\"Failed to call a function.\","
              + "\"failed_generation\":\"@\"}}",
          "rejected {'customer': '@'}",
          "rejected ['@']",
          "input: @",
          "prompt: @",
          "content=@",
          "unexpected text: @",
          "last response: @",
          "expected a number but got: @",
          "model output: @",
          "could not convert string to float: @",
          "expected a number, got @",
          "a number was wanted, but found @ there",
          "unknown tool: @",
          "cannot use \u300c@\u300d here",
          "cannot use &quot;@&quot; or &#39;@&#39;",
          "invalid literal for int() with base 10: '@'",
          "strconv.ParseFloat: parsing \"@\": invalid syntax",
          "Unexpected token 'c', \"@\" is not valid JSON",
          "KeyError: '@'",
          "arguments: @");

  /** Errors whose fields hold what is quoted. */
  private static final List<String> BODIES =
      List.of(
          "{'detail':[{'loc':['body','@'],'msg':'Field required','type':'missing','input':'@'}]}",
          "{'message':{'detail':[{'loc':['@'],'msg':'x','type':'@','input':{'a':'@'},'ctx':'@'}]}}",
          "{'object':'error','message':'x','param':'@','input':'@','type':'BadRequestError'}",
          "{'error':{'message':'x','failed_generation':'@','param':'@','body':'@'}}",
          "{'error':{'message':'x','metadata':{'raw':'@','flagged_input':'@'}}}",
          "{'error':{'message':'x','input':'@'},'prompt':'@','messages':[{'content':'@'}]}",
          "{'error':{'prompt':'@'}}",
          "{'error':[{'input':'@','msg':'x'}]}",
          "{'errors':[{'message':'x','input':'@'}],'success':false}",
          "{'error parsing tool call':'raw: @'}",
          "{'title':'x','status':422,'detail':'got: @','instance':'@'}",
          "{'error':'x','error_type':'validation','input':'@'}");

  static List<Named<String>> everyWayOfQuoting() {
    List<Named<String>> all = new ArrayList<>();
    for (String wording : WORDINGS) {
      String text = json(wording, WRITTEN);
      all.add(Named.of(wording, "{\"error\":{\"message\":" + text + "}}"));
      all.add(Named.of("a text: " + wording, "{\"error\":" + text + "}"));
      all.add(Named.of("a detail: " + wording, "{\"detail\":" + text + "}"));
    }
    for (String echo : echoesOfThePrompt()) {
      for (String wording : List.of("this cannot be done, @, sorry", WORDINGS.get(0))) {
        all.add(Named.of(echo, "{\"error\":{\"message\":" + json(wording, echo) + "}}"));
      }
    }
    for (String body : BODIES) {
      all.add(Named.of(body, body.replace('\'', '"').replace("@", WRITTEN)));
    }
    return all;
  }

  private static String json(String wording, String content) {
    return JsonNodeFactory.instance.textNode(wording.replace("@", content)).toString();
  }

  /** The prompt as it comes back from a parser, a page or a URL, and a piece of it. */
  private static List<String> echoesOfThePrompt() {
    return List.of(
        PROMPT,
        PROMPT.replace("ë", "\\u00eb").replace(" ", "\\n"),
        PROMPT.toUpperCase(Locale.ROOT).replace("CANARY", "canary"),
        PROMPT.replace("", "\u200b").replace("c\u200ba\u200bn", "can").replace("\u200b", "\u00ad"),
        URLEncoder.encode(PROMPT, StandardCharsets.UTF_8));
  }

  static List<String> everyProtocol() {
    return List.of("ollama", "openAi", "gemini", "anthropic");
  }

  @ParameterizedTest
  @MethodSource("everyProtocol")
  @Timeout(120)
  void noQuotationIsRepeated(String protocol) {
    Node node = loopback.node(OllamaReplies.status(500, "", ""));
    Endpoint endpoint = endpoint(protocol, node);
    for (Named<String> body : everyWayOfQuoting()) {
      for (Node.Script reply : everyPlaceOf(protocol, body.getPayload())) {
        node.respondWith(reply);
        ask(endpoint, body.getName());
      }
    }
  }

  /** Sends the error with a status, alone in an answer, and after its first piece. */
  private static List<Node.Script> everyPlaceOf(String protocol, String body) {
    boolean lines = protocol.equals("ollama");
    String frame = lines ? body + "\n" : "event: error\ndata: " + body + "\n\n";
    String field = "error: " + body + "\n\n";
    String piece =
        switch (protocol) {
          case "openAi" -> "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n";
          case "gemini" ->
              "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"x\"}]}}]}\n\n";
          case "anthropic" ->
              "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\","
                  + "\"text\":\"x\"}}\n\n";
          default -> "{\"message\":{\"content\":\"x\"},\"done\":false}\n";
        };
    List<Node.Script> all = new ArrayList<>();
    for (int status : new int[] {400, 404, 500}) {
      all.add(OllamaReplies.status(status, "application/json", body));
    }
    for (String stream :
        lines ? List.of(frame, piece + frame) : List.of(frame, piece + frame, field)) {
      all.add(OllamaReplies.status(200, "text/event-stream", stream));
    }
    return all;
  }

  private Endpoint endpoint(String protocol, Node node) {
    Endpoint.Builder builder =
        switch (protocol) {
          case "openAi" -> Endpoint.openAi("node", node.url());
          case "gemini" -> Endpoint.gemini("node", node.url());
          case "anthropic" -> Endpoint.anthropic("node", node.url());
          default -> Endpoint.ollama("node", node.url());
        };
    return builder.model("m").apiKey(KEY).build();
  }

  /** A copy, because a thread of the client's may log meanwhile: the appender locks itself. */
  private List<ILoggingEvent> logged() {
    synchronized (log) {
      return List.copyOf(log.list);
    }
  }

  private List<ILoggingEvent> takeLogged() {
    synchronized (log) {
      List<ILoggingEvent> events = List.copyOf(log.list);
      log.list.clear();
      return events;
    }
  }

  private void ask(Endpoint endpoint, String name) {
    ChatRequest request =
        ChatRequest.builder()
            .user(PROMPT)
            .tool("open_invoices", "unpaid invoices", "{\"type\":\"object\"}")
            .build();
    int before = seen.size();
    try (LlmClient client =
        LlmClient.builder().endpoint(endpoint).listener(new Recorder()).build()) {
      told(() -> readAloud(client.stream(request)));
      told(() -> seen.add(client.chat(request).toString()));
      seen.add(client.status().toString());
    }
    for (ILoggingEvent event : takeLogged()) {
      seen.add(event.getFormattedMessage() + event.getKeyValuePairs());
    }
    assertThat(seen.subList(before, seen.size()))
        .as(name)
        .noneMatch(text -> text.toLowerCase(Locale.ROOT).contains("canary"))
        .noneMatch(
            text -> text.contains("Kern") || text.contains("DE02") || text.contains("1,042"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "<html><title>ValueError: @</title></html>",
        "<html><title>json.JSONDecodeError: @ // Werkzeug Debugger</title></html>",
        "<html><title>Cannot read \"@\"</title></html>",
        "<html><title>invalid input: @</title></html>",
        "<html><title>Cannot read &quot;@&quot; &amp; more</title></html>",
        "invalid input: @",
        "Failed to deserialize the JSON body: invalid type: string \"@\", expected a map"
      })
  void nothingOfAPageIsRepeated(String page) {
    for (String content : List.of(WRITTEN, PROMPT, PROMPT.replace("ë", "&euml;"))) {
      for (int status : new int[] {200, 400, 404, 422, 500, 503}) {
        Node node = loopback.node(OllamaReplies.status(status, "", page.replace("@", content)));
        ask(endpoint("ollama", node), page);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "\u202eforged\u202c",
        "a\u2066b\u2069c",
        "two\nlines",
        "a\u2028b",
        "\u001b[31mred",
        "a\u200bb"
      })
  void noWordOfAServersSteersTheLog(String words) {
    String text = JsonNodeFactory.instance.textNode(words).toString();
    Node node = loopback.node(OllamaReplies.status(500, "", "{\"error\":" + text + "}"));
    call(endpoint("ollama", node));

    for (ILoggingEvent event : logged()) {
      if (event.getLoggerName().startsWith("dev.offmeter")) {
        assertThat(event.getFormattedMessage())
            .doesNotContainPattern("[\\p{Cc}\\p{Cf}\\u2028\\u2029]");
      }
    }
    assertThat(log.list).isNotEmpty();
  }

  @Test
  void aModelsNameThatRepeatsAKeyOrThePromptIsNotShown() {
    for (String model : List.of("Bearer " + KEY, PROMPT, ANSWER)) {
      String line = "{\"model\":\"" + model + "\",\"message\":{\"content\":\"" + ANSWER + "\"},";
      Node node =
          loopback.node(
              (connection, request) ->
                  connection.send(
                      OllamaReplies.STREAM_HEAD
                          + OllamaReplies.chunk(line + "\"done\":true,\"done_reason\":\"stop\"}\n")
                          + OllamaReplies.LAST_CHUNK));
      call(Loopback.ollama("secret", node).apiKey(KEY).build());
    }

    assertSilence();
  }

  private static final String LONG = "V3ry-" + "abcdefghijklmnopqrstuvwxyz".repeat(6) + "-End9";
  private static final String ODD = "p&ss<w>rd\"q'x/y+z=";

  /** A header's value, what a server says of it, and what must not be seen. */
  static List<List<String>> everyFormOfASecret() {
    return List.of(
        List.of(LONG, "<html><title>Denied: " + LONG + " no</title>", "abcdefgh"),
        List.of(LONG, "<html><title>" + "x ".repeat(55) + LONG + "</title>", "V3ry-abc"),
        List.of(LONG, "key " + LONG.substring(0, 100) + "... is wrong", "abcdefgh"),
        List.of(LONG, "key " + LONG.substring(0, 8) + "... is wrong", "V3ry-abc"),
        List.of(LONG, "key ..." + LONG.substring(100) + " is wrong", "-End9"),
        List.of(LONG, "key ..." + LONG.substring(60, 90) + "... is wrong", "abcdefgh"),
        List.of(LONG, "x".repeat(8190) + LONG, "abcdefgh"),
        List.of("Abc-Def-Ghi-Jkl", "key ABC-DEF-GHI-JKL is wrong", "DEF-GHI"),
        List.of(ODD, "bad p&amp;ss&lt;w&gt;rd&quot;q&#39;x/y+z= key", "rd&quot;"),
        List.of(ODD, "bad p&#38;ss&#x3c;w&#62;rd&#34;q&apos;x&#47;y&#43;z&#61; key", "rd&#34;"),
        List.of(
            ODD, "bad p&amp;amp;ss&amp;lt;w&amp;gt;rd&amp;quot;q&amp;#39;x/y+z= key", "rd&amp;"),
        List.of(ODD, "bad p%26ss%3Cw%3Erd%22q%27x%2Fy%2Bz%3D key", "ss%3Cw"),
        List.of(ODD, "bad p%2526ss%253cw%253erd%2522q%2527x%252fy%252bz%253d key", "ss%253cw"),
        List.of(ODD, "bad p&ss<w>rd\\\"q'x/y+z= key", "p&ss"),
        List.of(ODD, "bad p\\u0026ss\\u003cw\\u003erd\\\\\"q\\u0027x\\/y\\u002bz= key", "u003cw"),
        List.of("Token abcDEF123ghiJKL456", "token abcDEF123ghiJKL456 expired", "DEF123"),
        List.of("Token abcDEF123ghiJKL456", "abcDEF123ghiJKL456", "DEF123"),
        List.of("a=b; session=abcDEF123ghiJKL456", "abcDEF123ghiJKL456 expired", "DEF123"),
        List.of("session=\"xy12\"; a=b", "cookie xy12 expired", "xy12"),
        List.of("Basic Ym9iYnk6U3VwM3JTZWNyZXRQdw==", "no bobby here", "bobby"),
        List.of("Basic Ym9iYnk6U3VwM3JTZWNyZXRQdw==", "Sup3rSecretPw is weak", "Sup3r"),
        List.of("Basic Ym9iYnk6U3VwM3JTZWNyZXRQdw==", "no Ym9iYnk6U3VwM3JTZWNyZXRQdw", "Ym9i"));
  }

  @ParameterizedTest
  @MethodSource("everyFormOfASecret")
  void aSecretIsMaskedInEveryForm(List<String> form) {
    String said = form.get(1);
    boolean page = said.startsWith("<");
    String body = page ? said : JsonNodeFactory.instance.objectNode().put("error", said).toString();
    Node node =
        loopback.node(OllamaReplies.status(403, page ? "text/html" : "application/json", body));

    call(Endpoint.ollama("node", node.url()).model("m").header("X-Secret", form.get(0)).build());

    assertSilence();
    assertThat(seen).noneMatch(text -> text.contains(form.get(2)));
  }

  static List<ChatRequest.Builder> everyTextOfTheCaller() {
    String schema = "{\"type\":\"object\",\"description\":\"Project Nightingale layoffs\"}";
    return List.of(
        ChatRequest.builder().tool("f", "Project Nightingale layoffs", "{}"),
        ChatRequest.builder().tool("f", "d", schema),
        ChatRequest.builder().tool("f", "d", "{\"Project Nightingale layoffs\":\"\\\"\"}"),
        ChatRequest.builder().answerSchema(schema),
        ChatRequest.builder().stop("Project Nightingale layoffs"),
        ChatRequest.builder().message(Message.assistant("Project Nightingale layoffs")),
        ChatRequest.builder().message(Message.toolResult("1", "f", "Project Nightingale layoffs")));
  }

  @ParameterizedTest
  @MethodSource("everyTextOfTheCaller")
  void noTextOfTheCallerIsRepeated(ChatRequest.Builder request) {
    for (String said :
        List.of(
            "project NIGHTINGALE layoffs",
            "Project%20Nightingale+layoffs",
            "Project\\u0020Nightingale layoffs")) {
      Node node = loopback.node(OllamaReplies.status(400, "text/plain", "failed: on " + said));
      Endpoint endpoint = Endpoint.ollama("node", node.url()).model("m").build();
      try (LlmClient client = LlmClient.builder().endpoint(endpoint).build()) {
        told(() -> client.chat(request.user("hello").build()));
      }
    }

    assertThat(seen)
        .anyMatch(text -> text.contains("quotes the conversation"))
        .noneMatch(text -> text.toLowerCase(Locale.ROOT).contains("nightingale"));
  }

  static List<Object> everyTextOfAnOption() {
    return List.of(
        "root ::= Project Nightingale layoffs",
        Map.of("type", List.of("x", "Project Nightingale layoffs")),
        Map.of("Project Nightingale layoffs", 1));
  }

  @ParameterizedTest
  @MethodSource("everyTextOfAnOption")
  void noTextOfAnOptionIsRepeated(Object option) {
    Node node =
        loopback.node(
            OllamaReplies.status(400, "text/plain", "failed: on project NIGHTINGALE layoffs"));
    Endpoint.Builder endpoint = Endpoint.ollama("node", node.url()).model("m");
    try (LlmClient client =
        LlmClient.builder().endpoint(endpoint.option("grammar", option).build()).build()) {
      told(() -> client.chat("hello"));
    }

    assertThat(seen)
        .isNotEmpty()
        .noneMatch(text -> text.toLowerCase(Locale.ROOT).contains("nightingale"));
  }

  @Test
  void theNumbersOfTheCallerAreNotRepeated() {
    Node node = loopback.node(OllamaReplies.status(400, "text/plain", "short pin 4711-0815"));
    Endpoint endpoint = Endpoint.ollama("node", node.url()).model("m").build();
    try (LlmClient client = LlmClient.builder().endpoint(endpoint).build()) {
      told(() -> client.chat(ChatRequest.builder().user("pin 4711-0815 it is").build()));
    }

    assertThat(seen).isNotEmpty().noneMatch(text -> text.contains("4711"));
  }

  @Test
  void wordsThatAreNoQuotationOfASchemaAreShown() {
    String words = "additionalProperties must be set to false";
    Node node = loopback.node(OllamaReplies.status(400, "text/plain", words));
    Endpoint endpoint = Endpoint.ollama("node", node.url()).model("m").build();
    try (LlmClient client = LlmClient.builder().endpoint(endpoint).build()) {
      told(
          () ->
              client.chat(
                  ChatRequest.builder()
                      .user("hello")
                      .answerSchema("{\"type\":\"object\",\"additionalProperties\":true}")
                      .build()));
    }

    assertThat(seen).anyMatch(text -> text.contains(words));
  }

  @Test
  void ofATitleNoMoreIsShownThanNeeded() {
    Node node =
        loopback.node(
            OllamaReplies.status(500, "", "<html><title>" + "y".repeat(500) + "</title>"));
    call(endpoint("ollama", node));

    assertThat(seen)
        .anyMatch(text -> text.contains("y".repeat(120)))
        .noneMatch(text -> text.contains("y".repeat(121)));
  }

  @Test
  void wordsOfAServerAreWithheldWithTheReasonWhenTheConversationIsTooLongToBeSearched() {
    Node node = loopback.node(OllamaReplies.status(400, "text/plain", "no such thing"));
    askAtLength(node);

    assertThat(seen).anyMatch(text -> text.contains("too long to be searched"));
  }

  @Test
  void ourOwnWordsAreShownHoweverLongTheConversationIs() {
    String line = OllamaReplies.tokens("word ".repeat(2000));
    Node node =
        loopback.node(
            (connection, request) ->
                connection.send(OllamaReplies.STREAM_HEAD + line + OllamaReplies.LAST_CHUNK));
    askAtLength(node);

    assertThat(seen)
        .anyMatch(text -> text.contains("the answer ended without its end marker"))
        .noneMatch(text -> text.contains("withheld"));
  }

  private void askAtLength(Node node) {
    Endpoint endpoint = Endpoint.ollama("node", node.url()).model("m").retries(0).build();
    try (LlmClient client = LlmClient.builder().endpoint(endpoint).build()) {
      told(() -> client.chat(ChatRequest.builder().user("the answer ".repeat(30_000)).build()));
    }
  }

  @Test
  void aShortSecretWithinALongerOneDoesNotUncoverTheRest() {
    Node node = loopback.node(OllamaReplies.status(401, "", "invalid key acme-canary-prod-Zk81"));

    call(
        Loopback.ollama("secret", node)
            .header("X-Env", "prod")
            .apiKey("acme-canary-prod-Zk81")
            .build());

    assertThat(seen).isNotEmpty().noneMatch(text -> text.contains("Zk81"));
  }

  @Test
  void aSecretWithOddSpacesIsMaskedHoweverItIsRepeated() {
    for (String secret : List.of("canary  two  spaces", "canary\ta tab", "canary a\t b ")) {
      for (String repeated : List.of(secret, secret.replaceAll("\\s+", " "))) {
        String body = "{\"error\":\"rejected: " + repeated.replace("\t", "\\t") + ", sorry\"}";
        Node node = loopback.node(OllamaReplies.status(400, "application/json", body));
        call(Endpoint.ollama("node", node.url()).model("m").header("X-Tenant", secret).build());
      }
    }
    assertThat(seen).anyMatch(text -> text.contains("rejected: ***"));
    assertSilence();
  }

  @Test
  void noFaultOfTheApplicationsOwnLeaksASecret() {
    call(
        Endpoint.local(
                "function",
                request -> {
                  throw new IllegalStateException(PROMPT);
                })
            .build());
    call(
        Endpoint.ollama("bad-supplier", "http://127.0.0.1:1")
            .model("m")
            .apiKey(
                () -> {
                  throw new IllegalStateException("vault says " + KEY);
                })
            .build());
    call(
        Endpoint.ollama("newline", "http://127.0.0.1:1")
            .model("m")
            .apiKey(() -> KEY + "\n")
            .build());
    assertSilence();
  }

  @Test
  void noRejectedSettingLeaksASecret() {
    attempt(() -> Endpoint.ollama("x", "https://user:" + KEY + "@host").model("m").build());
    attempt(() -> Endpoint.ollama("x", "user:" + KEY + "@host").model("m").build());
    attempt(() -> Endpoint.ollama("x", "https://host?key=" + KEY).model("m").build());
    attempt(() -> Endpoint.ollama("x", "https://host").apiKey(KEY + "\n"));
    attempt(() -> Endpoint.ollama("x", "https://host").header("X-Key", KEY + "é"));
    attempt(() -> Endpoint.ollama("x", "http://example.com").model("m").apiKey(KEY).build());
    attempt(
        () ->
            LlmClient.fromEnv(
                Map.of("OLLAMA_PRIMARY_URL", "http://example.com", "OLLAMA_PRIMARY_KEY", KEY)));
    attempt(() -> LlmClient.fromEnv(Map.of("OLLAMA_PRIMARY_ACCESS_SECRET", ACCESS_SECRET)));
    assertThat(seen).as("each was rejected").hasSizeGreaterThanOrEqualTo(8);
    assertSilence();
  }

  @Test
  void noToStringLeaksASecret() {
    Endpoint.Builder builder =
        Endpoint.ollama("x", "https://host").model("m").apiKey(KEY).header("X-Key", HEADER);
    seen.add(builder.build().toString());
    seen.add(builder.toString());
    seen.add(Message.user(PROMPT).toString());
    seen.add(ChatRequest.builder().user(PROMPT).build().toString());
    seen.add(ChatRequest.builder().user(PROMPT).toString());
    seen.add(ChatResponse.builder().text(ANSWER).thinking(THOUGHT).build().toString());
    seen.add(LlmClient.builder().endpoint(builder.build()).toString());
    try (LlmClient client = LlmClient.builder().endpoint(builder.build()).build()) {
      seen.add(client.toString());
    }
    seen.add(ClientInternals.config(builder.build(), true).toString());
    assertSilence();
  }

  private void attempt(Runnable setting) {
    try {
      setting.run();
    } catch (RuntimeException e) {
      seen.add(printed(e));
    }
  }

  private void call(Endpoint endpoint) {
    call(LlmClient.builder().endpoint(endpoint));
  }

  private void call(LlmClient.Builder builder) {
    ChatRequest request = ChatRequest.builder().system(PROMPT).user(PROMPT).build();
    try (LlmClient client = builder.listener(new Recorder()).build()) {
      for (StreamRecovery recovery : List.of(StreamRecovery.FAIL, StreamRecovery.RESTART)) {
        ChatRequest streamed = request.toBuilder().onBrokenStream(recovery).build();
        told(() -> readAloud(client.stream(streamed)));
      }
      for (int i = 0; i < 3; i++) {
        told(() -> seen.add(client.chat(request).toString()));
      }
      seen.add(client.status().toString());
    }
  }

  private void told(Runnable call) {
    try {
      call.run();
    } catch (LlmException e) {
      seen.add(printed(e));
      seen.add(e.attempts().toString());
    }
  }

  private void readAloud(ChatStream stream) {
    try (stream) {
      stream.forEach(event -> seen.add(event.toString()));
    }
  }

  private static String printed(Throwable e) {
    StringWriter out = new StringWriter();
    e.printStackTrace(new PrintWriter(out));
    return out.toString();
  }

  private void assertSilence() {
    for (ILoggingEvent event : logged()) {
      seen.add(event.getFormattedMessage() + event.getKeyValuePairs() + event.getMDCPropertyMap());
      for (IThrowableProxy t = event.getThrowableProxy(); t != null; t = t.getCause()) {
        seen.add(String.valueOf(t.getMessage()));
      }
    }
    assertThat(seen).isNotEmpty().noneMatch(text -> text.contains("canary"));
    // Okio shows in hexadecimal what a buffer held.
    assertThat(seen).noneMatch(text -> text.contains("63616e617279"));
  }

  private final class Recorder implements LlmListener {
    @Override
    public void onAttemptEnded(long call, Attempt attempt) {
      seen.add(attempt.toString() + attempt.message());
    }

    @Override
    public void onAttemptSkipped(long call, Attempt attempt) {
      seen.add(attempt.toString() + attempt.message());
    }

    @Override
    public void onEndpointChanged(EndpointChange change) {
      seen.add(change.toString());
    }

    @Override
    public void onCallAnswered(long call, ChatResponse response) {
      seen.add(response.toString());
    }

    @Override
    public void onCallFailed(long call, LlmException exception) {
      seen.add(printed(exception));
    }
  }
}
