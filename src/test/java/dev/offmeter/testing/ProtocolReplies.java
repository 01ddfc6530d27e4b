// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testing;

import dev.offmeter.Dialect;
import dev.offmeter.Endpoint;
import dev.offmeter.internal.wire.Protocol;
import dev.offmeter.internal.wire.ProtocolDescriptor;
import dev.offmeter.internal.wire.anthropic.AnthropicChat;
import dev.offmeter.internal.wire.gemini.GeminiChat;
import dev.offmeter.internal.wire.ollama.OllamaChat;
import dev.offmeter.internal.wire.openai.OpenAiChat;
import java.util.Arrays;
import java.util.Map;
import java.util.stream.Collectors;
import okhttp3.HttpUrl;

/** Holds the replies of each protocol, written by hand from the documentation of its servers. */
public enum ProtocolReplies {
  OLLAMA(OllamaChat.API) {
    @Override
    public String textDelta(String json) {
      return "{\"model\":\"m\",\"message\":{\"content\":\"" + json + "\"},\"done\":false}\n";
    }

    @Override
    public String thinkingDelta(String json) {
      return "{\"model\":\"m\",\"message\":{\"content\":\"\",\"thinking\":\""
          + json
          + "\"},\"done\":false}\n";
    }

    @Override
    public String toolCall(String name, String arguments) {
      return "{\"message\":{\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":\""
          + name
          + "\",\"arguments\":"
          + arguments
          + "}}]},\"done\":false}\n";
    }

    @Override
    public String end(boolean cut) {
      return "{\"model\":\"m\",\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\""
          + (cut ? "length" : "stop")
          + "\",\"prompt_eval_count\":3,\"eval_count\":2}\n";
    }

    @Override
    public String error(String text) {
      return "{\"error\":\"" + text + "\"}\n";
    }

    @Override
    public String completeReply(String json) {
      return "{\"model\":\"m\",\"message\":{\"content\":\""
          + json
          + "\"},\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":3,\"eval_count\":2}";
    }
  },
  OPENAI(OpenAiChat.API) {
    @Override
    public String textDelta(String json) {
      return chunk("\"delta\":{\"content\":\"" + json + "\"},\"finish_reason\":null");
    }

    @Override
    public String thinkingDelta(String json) {
      return chunk("\"delta\":{\"reasoning_content\":\"" + json + "\"}");
    }

    @Override
    public String toolCall(String name, String arguments) {
      String half = arguments.substring(0, 3).replace("\"", "\\\"");
      String rest = arguments.substring(3).replace("\"", "\\\"");
      String first =
          "{\"index\":0,\"id\":\"\",\"type\":\"function\",\"function\":{\"name\":\""
              + name
              + "\",\"arguments\":\""
              + half
              + "\"}}";
      String second = "{\"index\":0,\"function\":{\"arguments\":\"" + rest + "\"}}";
      return chunk("\"delta\":{\"content\":null,\"tool_calls\":[" + first + "]}")
          + chunk("\"delta\":{\"tool_calls\":[" + second + "]}");
    }

    private String chunk(String choice) {
      return sse("{\"model\":\"m\",\"choices\":[{\"index\":0," + choice + "}]}");
    }

    @Override
    public String end(boolean cut) {
      return chunk("\"delta\":{},\"finish_reason\":\"" + (cut ? "length" : "stop") + "\"")
          + sse(
              "{\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,"
                  + "\"completion_tokens\":2}}")
          + "data: [DONE]\n\n";
    }

    @Override
    public String error(String text) {
      return sse("{\"error\":{\"message\":\"" + text + "\",\"type\":\"server_error\"}}")
          + "data: [DONE]\n\n";
    }

    @Override
    public String completeReply(String json) {
      return "{\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{\"content\":\""
          + json
          + "\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,"
          + "\"completion_tokens\":2}}";
    }
  },
  GEMINI(GeminiChat.API) {
    @Override
    public String textDelta(String json) {
      return parts("{\"text\":\"" + json + "\"}");
    }

    @Override
    public String thinkingDelta(String json) {
      return parts("{\"text\":\"" + json + "\",\"thought\":true}");
    }

    @Override
    public String toolCall(String name, String arguments) {
      return parts("{\"functionCall\":{\"name\":\"" + name + "\",\"args\":" + arguments + "}}");
    }

    private String parts(String part) {
      return sse(
          "{\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":["
              + part
              + "]},\"index\":0}],\"modelVersion\":\"m\"}");
    }

    @Override
    public String end(boolean cut) {
      return sse(
          "{\"candidates\":[{\"content\":{\"role\":\"model\"},\"finishReason\":\""
              + (cut ? "MAX_TOKENS" : "STOP")
              + "\",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":3,"
              + "\"candidatesTokenCount\":1,\"thoughtsTokenCount\":1},\"modelVersion\":\"m\"}");
    }

    @Override
    public String error(String text) {
      return sse("{\"error\":{\"code\":500,\"message\":\"" + text + "\",\"status\":\"INTERNAL\"}}");
    }

    @Override
    public String completeReply(String json) {
      return "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\""
          + json
          + "\"}]},\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":3,"
          + "\"candidatesTokenCount\":2},\"modelVersion\":\"m\"}";
    }
  },
  ANTHROPIC(AnthropicChat.API) {
    private static final String START =
        "{\"type\":\"message_start\",\"message\":{\"type\":\"message\",\"model\":\"m\","
            + "\"usage\":{\"input_tokens\":1,\"cache_read_input_tokens\":2,\"output_tokens\":1}}}";

    @Override
    public String textDelta(String json) {
      return named(START) + delta("{\"type\":\"text_delta\",\"text\":\"" + json + "\"}");
    }

    @Override
    public String thinkingDelta(String json) {
      return named(START) + delta("{\"type\":\"thinking_delta\",\"thinking\":\"" + json + "\"}");
    }

    @Override
    public String toolCall(String name, String arguments) {
      String text = arguments.replace("\"", "\\\"");
      return named(START)
          + named(
              "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":"
                  + "\"tool_use\",\"id\":\"\",\"name\":\""
                  + name
                  + "\",\"input\":{}}}")
          + delta("{\"type\":\"input_json_delta\",\"partial_json\":\"\"}")
          + delta("{\"type\":\"input_json_delta\",\"partial_json\":\"" + text + "\"}");
    }

    private String delta(String delta) {
      return named("{\"type\":\"content_block_delta\",\"index\":0,\"delta\":" + delta + "}");
    }

    private String named(String event) {
      String type = event.substring(9, event.indexOf('"', 9));
      return "event: " + type + "\n" + sse(event);
    }

    @Override
    public String end(boolean cut) {
      return named(START)
          + named(
              "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\""
                  + (cut ? "max_tokens" : "end_turn")
                  + "\"},\"usage\":{\"output_tokens\":2}}")
          + named("{\"type\":\"message_stop\"}");
    }

    @Override
    public String error(String text) {
      return named(
          "{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"" + text + "\"}}");
    }

    @Override
    public String completeReply(String json) {
      return "{\"type\":\"message\",\"model\":\"m\",\"content\":[{\"type\":\"text\",\"text\":\""
          + json
          + "\"}],\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":3,"
          + "\"output_tokens\":2}}";
    }
  };

  private final ProtocolDescriptor api;

  ProtocolReplies(ProtocolDescriptor api) {
    this.api = api;
  }

  /** Returns an endpoint of the protocol, with a model. */
  public Endpoint.Builder endpoint(String name, String url) {
    Endpoint.Builder endpoint =
        switch (this) {
          case OLLAMA -> Endpoint.ollama(name, url);
          case OPENAI -> Endpoint.openAi(name, url);
          case GEMINI -> Endpoint.gemini(name, url);
          case ANTHROPIC -> Endpoint.anthropic(name, url);
        };
    return endpoint.model("m");
  }

  /** Returns a delta of the answer; the text is JSON without its quotes. */
  public abstract String textDelta(String json);

  /** Returns a delta of thinking; the text is JSON without its quotes. */
  public abstract String thinkingDelta(String json);

  /** Returns a tool call. */
  public abstract String toolCall(String name, String arguments);

  /** Returns the end, by the model's decision or at the request's limit; 3 tokens in, 2 out. */
  public abstract String end(boolean cut);

  /** Returns an error in mid-answer. */
  public abstract String error(String text);

  /** Returns an answer that is not streamed. */
  public abstract String completeReply(String json);

  /** Returns a whole answer of these deltas. */
  public String stream(String... pieces) {
    return Arrays.stream(pieces).map(this::textDelta).collect(Collectors.joining()) + end(false);
  }

  public Protocol protocol() {
    return protocolWithLimits(8 << 20, 32L << 20);
  }

  public Protocol protocolWithLimits(long line, long answer) {
    return server(Map.of(), Dialect.GENERIC, "http://localhost:1", "asked", line, answer);
  }

  public Protocol protocolFor(
      String url, String model, Dialect dialect, Map<String, Object> options) {
    return server(options, dialect, url, model, 8 << 20, 32L << 20);
  }

  private Protocol server(
      Map<String, Object> options, Dialect dialect, String url, String model, long line, long max) {
    HttpUrl base = HttpUrl.get(url);
    return api.maker()
        .make(
            new ProtocolDescriptor.ServerConfig(
                base,
                model,
                options,
                null,
                dialect,
                ProtocolDescriptor.RequestVariant.STANDARD,
                line,
                max,
                false));
  }

  private static String sse(String json) {
    return "data: " + json + "\n\n";
  }
}
