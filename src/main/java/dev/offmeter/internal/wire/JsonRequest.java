// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.offmeter.ChatRequest;
import dev.offmeter.Image;
import dev.offmeter.Role;
import dev.offmeter.internal.json.Json;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.Base64;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import okhttp3.HttpUrl;
import okhttp3.Request;

/** Creates a POST whose body is JSON written by hand. */
public final class JsonRequest {
  /** Bytes that are encoded at once: a multiple of three, so that only the last has padding. */
  private static final int BASE64_PIECE = 6 * 1024;

  private JsonRequest() {}

  /** Writes one object. */
  public interface Body {
    void write(JsonGenerator out) throws IOException;
  }

  public static Request.Builder post(HttpUrl url, String accept, Body body) {
    OneShotRequestBody json =
        new OneShotRequestBody(
            to -> {
              try (JsonGenerator out = Json.FACTORY.createGenerator(to)) {
                out.writeStartObject();
                body.write(out);
                out.writeEndObject();
              }
            });
    return new Request.Builder().url(url).header("Accept", accept).post(json);
  }

  /**
   * Writes the sampling settings. The request overrides the endpoint's options; a server without a
   * seed gets none.
   */
  public static void sampling(
      ProtocolDescriptor.ServerConfig server, ChatRequest request, Names names, JsonGenerator out)
      throws IOException {
    Map<String, Object> all = new TreeMap<>(server.options());
    if (!server.isOmitted("temperature")) {
      request.temperature().ifPresent(value -> all.put("temperature", value));
    }
    if (!server.isOmitted(names.topP())) {
      request.topP().ifPresent(value -> all.put(names.topP(), value));
    }
    if (!names.seed().isEmpty() && !server.isOmitted(names.seed())) {
      request.seed().ifPresent(value -> all.put(names.seed(), value));
    }
    if (!request.stop().isEmpty()) {
      all.put(names.stop(), request.stop());
    }
    options(all, out);
  }

  /**
   * Names the fields of a protocol for the settings of a request; an empty name for no such field.
   */
  public record Names(String topP, String seed, String stop) {}

  public static void options(Map<String, Object> options, JsonGenerator out) throws IOException {
    for (Map.Entry<String, Object> option : options.entrySet()) {
      out.writeFieldName(option.getKey());
      Json.write(option.getValue(), out);
    }
  }

  /** Writes the tools in the shape of OpenAI and Ollama. */
  public static void functions(ChatRequest request, JsonGenerator out) throws IOException {
    if (request.tools().isEmpty()) {
      return;
    }
    out.writeArrayFieldStart("tools");
    for (ChatRequest.Tool tool : request.tools()) {
      out.writeStartObject();
      out.writeStringField("type", "function");
      out.writeObjectFieldStart("function");
      out.writeStringField("name", tool.name());
      out.writeStringField("description", tool.description());
      rawField(out, "parameters", tool.schema());
      out.writeEndObject();
      out.writeEndObject();
    }
    out.writeEndArray();
  }

  /**
   * Writes a text of {@code prefix} and the image in base64, piece by piece: no string holds the
   * whole.
   */
  public static void base64(String prefix, Image image, JsonGenerator out) throws IOException {
    out.writeRawValue('"' + prefix);
    byte[] piece = new byte[BASE64_PIECE];
    byte[] encoded = new byte[BASE64_PIECE / 3 * 4];
    char[] chars = new char[encoded.length];
    InputStream bytes = image.inputStream();
    int read = bytes.readNBytes(piece, 0, piece.length);
    while (read > 0) {
      byte[] whole = read == piece.length ? piece : Arrays.copyOf(piece, read);
      int length = Base64.getEncoder().encode(whole, encoded);
      for (int i = 0; i < length; i++) {
        chars[i] = (char) encoded[i];
      }
      out.writeRaw(chars, 0, length);
      read = bytes.readNBytes(piece, 0, piece.length);
    }
    out.writeRaw('"');
  }

  public static void rawField(JsonGenerator out, String name, String json) throws IOException {
    out.writeFieldName(name);
    out.writeRawValue(json);
  }

  public static String name(Role role) {
    return role.name().toLowerCase(Locale.ROOT);
  }
}
