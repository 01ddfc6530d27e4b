// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.langchain4j;

import dev.langchain4j.model.chat.response.ChatResponseMetadata;
import dev.offmeter.ChatResponse;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The metadata of an answer, with Offmeter's own response: which endpoint answered, after which
 * attempts, in what time, at what cost.
 *
 * <pre>{@code
 * if (answer.metadata() instanceof OffmeterChatResponseMetadata metadata) {
 *   log.info("answered by {}", metadata.response().endpoint());
 * }
 * }</pre>
 *
 * <p>{@code modelName} is the model as the server reported it; {@code id} is null. {@code
 * tokenUsage} is that of the answer, null if the server reported none. Immutable, so safe for use
 * by many threads.
 */
// Were LangChain4j required transitively, no module could be compiled against this one without it.
@SuppressWarnings("exports")
public final class OffmeterChatResponseMetadata extends ChatResponseMetadata {
  private final ChatResponse response;

  private OffmeterChatResponseMetadata(Builder builder, ChatResponse response) {
    super(builder);
    this.response = response;
  }

  static OffmeterChatResponseMetadata of(ChatResponse response) {
    return new Builder(response)
        .modelName(response.model())
        .tokenUsage(ResponseTranslator.tokens(response.usage()))
        .finishReason(ResponseTranslator.reason(response.finishReason()))
        .build();
  }

  /** Returns the response as the client gave it. */
  public ChatResponse response() {
    return response;
  }

  /** Returns a builder that starts from this metadata and keeps {@link #response()}. */
  @Override
  public Builder toBuilder() {
    Builder builder = new Builder(response);
    toBuilder(builder);
    return builder;
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return super.equals(other)
        && other instanceof OffmeterChatResponseMetadata metadata
        && response.equals(metadata.response);
  }

  @Override
  public int hashCode() {
    return Objects.hash(super.hashCode(), response);
  }

  /** Builds an {@link OffmeterChatResponseMetadata}. Not safe for use by several threads. */
  public static final class Builder extends ChatResponseMetadata.Builder<Builder> {
    private final ChatResponse response;

    private Builder(ChatResponse response) {
      this.response = response;
    }

    /** Returns the metadata. */
    @Override
    public OffmeterChatResponseMetadata build() {
      return new OffmeterChatResponseMetadata(this, response);
    }
  }
}
