// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import dev.offmeter.FinishReason;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.wire.FinishReasonPhrases.Meaning;

/**
 * Collects all that one reply says about why it ended. A blank reason overrides nothing, and a
 * worse one outweighs a better: a proxy may say {@code stop} of what its own server calls an error.
 */
public final class FinishReasonTracker {
  private String word = "";
  private Meaning meaning = Meaning.NOTHING;

  /** Adds the reason in the field that is meant for it; blank for none. */
  public void add(String reason) {
    Meaning added = reason.isEmpty() ? Meaning.NOTHING : FinishReasonPhrases.of(reason);
    if (added.compareTo(meaning) > 0) {
      word = reason;
      meaning = added;
    }
  }

  /** Adds a reason in another field, which ends no answer but may report an error. */
  public void addSecondary(String reason) {
    Meaning added = reason.isEmpty() ? Meaning.NOTHING : FinishReasonPhrases.of(reason);
    Meaning least = isEnd() ? Meaning.STOP : Meaning.LENGTH;
    if (added.compareTo(least) > 0) {
      add(reason);
    }
  }

  /** Returns whether any reason has come. */
  public boolean hasReason() {
    return meaning != Meaning.NOTHING;
  }

  /** Returns whether a reason has come that ends the answer, regularly or not. */
  public boolean isEnd() {
    return meaning.compareTo(Meaning.STOP) >= 0;
  }

  /**
   * The reason.
   *
   * @throws AttemptException if there is none, or none that leaves an answer
   */
  public FinishReason reason() throws AttemptException {
    return switch (meaning) {
      case STOP -> FinishReason.STOP;
      case LENGTH -> FinishReason.LENGTH;
      default -> throw FinishReasonPhrases.failure(meaning, word);
    };
  }
}
