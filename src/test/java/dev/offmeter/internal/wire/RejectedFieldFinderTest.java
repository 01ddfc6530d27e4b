// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.internal.wire.anthropic.AnthropicChat;
import dev.offmeter.internal.wire.gemini.GeminiChat;
import dev.offmeter.internal.wire.ollama.OllamaChat;
import dev.offmeter.internal.wire.openai.OpenAiChat;
import java.util.List;
import okhttp3.Headers;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The refused field is found in the words of many servers. */
class RejectedFieldFinderTest {
  private static final Headers NONE = new Headers.Builder().build();

  private static List<String> refused(ProtocolDescriptor api, int status, String body) {
    return RejectedFieldFinder.in(new ErrorResponse(status, NONE, body), api.omissible()).stream()
        .map(OmissibleField::name)
        .toList();
  }

  private static List<String> ofOpenAi(String body) {
    return refused(OpenAiChat.API, 400, body);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{'detail':[{'type':'extra_forbidden','loc':['body','stream_options'],"
            + "'msg':'Extra inputs are not permitted','input':{'include_usage':true}}]}",
        "{'object':'error','message':{'detail':[{'type':'extra_forbidden',"
            + "'loc':['body','stream_options'],'msg':'Extra inputs are not permitted'}]}}",
        "{'detail':[{'loc':['body','stream_options'],'msg':'extra fields not permitted',"
            + "'type':'value_error.extra'}]}",
        "{'detail':[{'type':'extra_forbidden','loc':['body','stream_options','include_usage'],"
            + "'msg':'Extra inputs are not permitted'}]}",
        "{'error':{'message':'Unknown parameter: ''stream_options''.','param':'stream_options',"
            + "'code':'unknown_parameter'}}",
        "{'error':{'message':'Unknown parameter.','type':'invalid_request_error',"
            + "'param':'stream_options','code':null}}",
        "{'error':'json: unknown field ''stream_options'''}",
        "{'error':{'message':'Unrecognized request argument supplied: stream_options'}}",
        "{'error':{'message':'Unrecognized request arguments supplied: foo, stream_options'}}",
        "{'error':{'message':'property ''stream_options'' is unsupported'}}",
        "{'message':'stream_options: Extra inputs are not permitted'}",
        "{'error':'Extra inputs are not permitted, field: ''stream_options'', value: 1'}",
        "{'error':{'message':'[{''stream_options'': Unsupported}]'}}",
        "{'message':'Additional properties are not allowed (''stream_options'' was unexpected)'}",
        "{'errors':[{'message':'must NOT have additional properties',"
            + "'params':{'additionalProperty':'stream_options'}}]}",
        "{'issues':[{'code':'unrecognized_keys','keys':['stream_options'],"
            + "'message':'Unrecognized key(s) in object'}]}",
        "{'error':'''stream_options'' is not allowed'}",
        "{'error':'Stream options can only be used with stream: stream_options is not supported'}",
        "{'error':'Stream option ''include_usage'' not supported'}",
        "{'message':'Malformed input request: #: extraneous key [stream_options] is not permitted'}",
        "Unknown name 'stream_options': Cannot find field.",
        "unknown field `stream_options`, expected one of `model`, `seed`, `max_tokens` at line 1",
        "Unrecognized field 'stream_options' (class a.B), not marked as ignorable"
            + " (3 known properties: 'model', 'seed', 'temperature'])",
        "1 validation error for Request\nstream_options\n  Extra inputs are not permitted"
            + " [type=extra_forbidden, input_value={}, input_type=dict]",
        "create() got an unexpected keyword argument 'stream_options'",
        "The parameter stream_options is not supported by this model",
        "Invalid field 'stream_options'",
        "bad request: stream_options cannot go here",
        "参数 stream_options 不支持",
        "stream_options is not one of the supported parameters: model, messages",
        "This model does not support the parameter stream_options",
        "UnsupportedParamsError: groq does not support parameters: ['stream_options'], for model=m"
      })
  void theFieldIsFoundInTheWordsOfManyServers(String body) {
    String json = body.replace("''", "\\\"").replace('\'', '"');

    assertThat(ofOpenAi(json)).containsExactly("stream_options");
    assertThat(refused(OpenAiChat.API, 500, json)).containsExactly("stream_options");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "Unsupported value: 'temperature' does not support 0.2 with this model."
            + " Only the default (1) value is supported.",
        "Unsupported parameter: 'temperature' is not supported with this model.",
        "`temperature` is deprecated for this model.",
        "invalid temperature: only 1 is allowed for this model",
        "temperature only supports the default",
        "`temperature` may only be set to 1 when thinking is enabled"
      })
  void aValueThatAModelDoesNotTakeIsAReason(String words) {
    assertThat(ofOpenAi("{\"error\":{\"message\":\"" + words + "\"}}"))
        .containsExactly("temperature");
  }

  @Test
  void ofTwoNamesInASentenceTheRefusedOneIsFound() {
    String words =
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use"
            + " 'max_completion_tokens' instead.";

    assertThat(ofOpenAi("{\"error\":{\"message\":\"" + words + "\"}}"))
        .containsExactly("max_tokens");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"detail\":[{\"type\":\"missing\",\"loc\":[\"body\",\"messages\"],\"msg\":\"Field"
            + " required\",\"input\":{\"model\":\"m\",\"stream_options\":{}}}]}",
        "{\"error\":{\"message\":\"Invalid 'temperature': decimal above maximum value. Expected a"
            + " value <= 2\",\"param\":\"temperature\",\"code\":\"decimal_above_max_value\"}}",
        "{\"error\":{\"message\":\"max_tokens is too large: 9000. This model supports at most 4096"
            + " completion tokens\",\"param\":\"max_tokens\",\"code\":\"invalid_value\"}}",
        "{\"error\":{\"message\":\"Unknown parameter: 'service_tier'.\",\"param\":\"service_tier\","
            + "\"code\":\"unknown_parameter\"}}",
        "{\"error\":{\"message\":\"tools is not supported by this model\"}}",
        "{\"error\":{\"message\":\"This model's maximum context length is 4096 tokens, however you"
            + " requested 5000 (3976 in the messages, 1024 in max_tokens)\"}}",
        "{\"error\":\"unknown field `foo`, expected one of `seed`, `stream_options`\"}",
        "{\"error\":{\"message\":\"top_p must be at most 1\"}}",
        "the seed of the matter",
        "{\"error\":{\"message\":\"unsupported tool, valid fields: stream_options\"}}",
        ""
      })
  void anotherComplaintIsNone(String body) {
    assertThat(ofOpenAi(body)).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(ints = {401, 403, 404, 429, 502, 503})
  void aStatusThatSaysSomethingElseIsHeeded(int status) {
    assertThat(refused(OpenAiChat.API, status, "unknown field \"stream_options\"")).isEmpty();
  }

  @Test
  void aValueOfOursThatIsWrongIsAReasonToo() {
    String words = "`reasoning_effort` must be one of `low`, `medium` or `high`";

    assertThat(ofOpenAi("{\"error\":{\"message\":\"" + words + "\"}}"))
        .containsExactly("reasoning_effort");
  }

  @Test
  void otherProtocolsHaveTheirOwnNames() {
    assertThat(
            refused(OllamaChat.API, 400, "{\"error\":\"\\\"m:1b\\\" does not support thinking\"}"))
        .containsExactly("think");
    assertThat(refused(OllamaChat.API, 400, "{\"error\":\"json: unknown field \\\"truncate\\\"\"}"))
        .containsExactly("truncate");
    assertThat(refused(OllamaChat.API, 422, "unexpected keyword argument 'shift'"))
        .containsExactly("shift");
    String google =
        "{\"error\":{\"code\":400,\"message\":\"Invalid JSON payload received. Unknown name"
            + " \\\"thinkingConfig\\\" at 'generation_config': Cannot find field.\","
            + "\"status\":\"INVALID_ARGUMENT\"}}";
    assertThat(refused(GeminiChat.API, 400, google)).containsExactly("thinkingConfig");
    assertThat(
            refused(
                GeminiChat.API,
                400,
                "{\"error\":{\"message\":\"Thinking is not enabled for this model\"}}"))
        .containsExactly("thinkingConfig");
    assertThat(
            refused(
                AnthropicChat.API,
                400,
                "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":"
                    + "\"top_p: Extra inputs are not permitted\"}}"))
        .containsExactly("top_p");
  }
}
