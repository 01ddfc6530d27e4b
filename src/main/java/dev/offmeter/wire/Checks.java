// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import org.jspecify.annotations.Nullable;

/**
 * What one kind of server can be asked on the side.
 *
 * @param alive whether it lives; null if it cannot be asked
 * @param resident whether the model is in its memory; changes nothing there
 * @param load loads the model, and takes as long as that takes
 * @param unload has the model dropped from memory
 * @param oneToken generates one token, for which a server that has to load the model does so; asked
 *     for where {@code load} is null or refused
 * @param ollama whether it is an Ollama, which has a better API than the one that it is asked by;
 *     null where that is known, or cannot be
 */
public record Checks(
    @Nullable Check alive,
    @Nullable Check resident,
    @Nullable Check load,
    @Nullable Check unload,
    @Nullable Check oneToken,
    @Nullable Check ollama) {
  /** For a server that is not to be asked on the side. */
  public static final Checks NONE = new Checks(null, null, null, null, null, null);
}
