// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import dev.offmeter.ChatRequest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Objects;
import okhttp3.Request;
import org.jspecify.annotations.Nullable;

/** Ways to ask a server that refuses a field of a request. */
final class Adaptations {
  private Adaptations() {}

  /** The request without the field that was refused; null if none of ours was. */
  static Protocol.@Nullable Adaptation without(
      Api.Server server,
      Protocol asked,
      Api.Maker maker,
      Api api,
      ChatRequest request,
      Reply refusal) {
    List<OmissibleField> fields =
        api.omissible().stream().filter(field -> mayBeOmitted(field, server)).toList();
    for (OmissibleField refused : RefusedField.in(refusal, fields)) {
      String name = refused.name();
      Protocol without = maker.make(server.with(server.variant().omitting(name)));
      if (size(without.request(request)) != size(asked.request(request))) {
        return new Protocol.Adaptation(
            without,
            "is asked without the field " + name + " from now on: its server refuses that field");
      }
    }
    return null;
  }

  /** What an endpoint fixes by an option is wanted, and the limit goes under one of its names. */
  private static boolean mayBeOmitted(OmissibleField field, Api.Server server) {
    boolean limit = field.name().startsWith("max_");
    boolean renamed =
        limit && server.variant().omitted().stream().anyMatch(n -> n.startsWith("max_"));
    return field.use() != OmissibleField.Use.BY_SETTING
        && !server.omits(field.name())
        && !server.options().containsKey(field.name())
        && !renamed;
  }

  /** A request of the same size never had the field. */
  private static long size(Request.Builder request) {
    try {
      return Objects.requireNonNull(request.build().body()).contentLength();
    } catch (IOException e) {
      throw new UncheckedIOException("a body in memory has a length", e);
    }
  }
}
