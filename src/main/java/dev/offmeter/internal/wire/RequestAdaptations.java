// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import dev.offmeter.ChatRequest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Objects;
import okhttp3.Request;
import org.jspecify.annotations.Nullable;

/** Adapts requests for a server that refuses a field. */
public final class RequestAdaptations {
  private RequestAdaptations() {}

  /** Returns the request without the refused field; null if none of the library's was refused. */
  public static Protocol.@Nullable Adaptation without(
      ProtocolDescriptor.ServerConfig server,
      Protocol protocol,
      ProtocolDescriptor.ProtocolFactory maker,
      ProtocolDescriptor api,
      ChatRequest request,
      ErrorResponse refusal) {
    List<OmissibleField> fields =
        api.omissible().stream().filter(field -> mayBeOmitted(field, server)).toList();
    for (OmissibleField refused : RejectedFieldFinder.in(refusal, fields)) {
      String name = refused.name();
      Protocol without = maker.make(server.with(server.variant().omitting(name)));
      if (size(without.request(request)) != size(protocol.request(request))) {
        return new Protocol.Adaptation(
            without,
            "is asked without the field " + name + " from now on: its server refuses that field");
      }
    }
    return null;
  }

  /**
   * Returns whether a field may be omitted: not if the endpoint sets it by an option, and the token
   * limit only while another of its names remains.
   */
  private static boolean mayBeOmitted(
      OmissibleField field, ProtocolDescriptor.ServerConfig server) {
    boolean limit = field.name().startsWith("max_");
    boolean renamed =
        limit && server.variant().omitted().stream().anyMatch(n -> n.startsWith("max_"));
    return field.use() != OmissibleField.Use.BY_SETTING
        && !server.isOmitted(field.name())
        && !server.options().containsKey(field.name())
        && !renamed;
  }

  /** Returns the size of a request: one of the same size never had the field. */
  private static long size(Request.Builder request) {
    try {
      return Objects.requireNonNull(request.build().body()).contentLength();
    } catch (IOException e) {
      throw new UncheckedIOException("a body in memory has a length", e);
    }
  }
}
