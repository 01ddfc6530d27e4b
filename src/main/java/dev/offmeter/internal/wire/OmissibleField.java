// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import java.util.List;

/**
 * Describes a field of a request that can be omitted without changing what is asked for.
 *
 * @param name the name of the field in the request
 * @param use who decides its value, and so what a server's complaint about it means
 * @param otherNames what servers call the field in their errors, as a part of it or in plain words
 */
public record OmissibleField(String name, Use use, List<String> otherNames) {
  /** The origin of the value of a field. */
  enum Use {
    /** The library sets it, so that any complaint about it is a reason to omit it. */
    OURS,
    /**
     * The request sets it. Omitted if the server does not know it, but not if its value is wrong.
     */
    CALLERS,
    /** The request sets it and depends on it. Omitted by a setting only. */
    BY_SETTING
  }

  public static OmissibleField ours(String name, String... otherNames) {
    return new OmissibleField(name, Use.OURS, List.of(otherNames));
  }

  public static OmissibleField callers(String name, String... otherNames) {
    return new OmissibleField(name, Use.CALLERS, List.of(otherNames));
  }

  public static OmissibleField bySetting(String name) {
    return new OmissibleField(name, Use.BY_SETTING, List.of());
  }
}
