// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import dev.offmeter.Capability;
import java.util.EnumSet;
import java.util.Set;

/**
 * Holds what is known of the model behind an endpoint. A capability in neither set is unknown.
 *
 * @param capabilities the capabilities that it has
 * @param lacking the capabilities that it lacks
 * @param contextLength the most tokens of a conversation; {@link #UNKNOWN_LENGTH} if unknown
 */
public record ModelTraits(
    Set<Capability> capabilities, Set<Capability> lacking, int contextLength) {
  /** Stands for an unknown context length. */
  public static final int UNKNOWN_LENGTH = 0;

  /** Nothing is known. */
  public static final ModelTraits UNKNOWN = new ModelTraits(Set.of(), Set.of(), UNKNOWN_LENGTH);

  /** Returns traits of which the context length alone is known, or nothing if that is unknown. */
  public static ModelTraits ofContext(int contextLength) {
    return contextLength == UNKNOWN_LENGTH
        ? UNKNOWN
        : new ModelTraits(Set.of(), Set.of(), contextLength);
  }

  /** Copies the sets. */
  public ModelTraits {
    capabilities = Set.copyOf(capabilities);
    lacking = Set.copyOf(lacking);
  }

  /** Returns these traits, completed by {@code others} where these are unknown. */
  public ModelTraits orElse(ModelTraits others) {
    Set<Capability> has = EnumSet.noneOf(Capability.class);
    Set<Capability> lacks = EnumSet.noneOf(Capability.class);
    for (Capability each : Capability.values()) {
      ModelTraits source = knows(each) ? this : others;
      if (source.capabilities.contains(each)) {
        has.add(each);
      } else if (source.lacking.contains(each)) {
        lacks.add(each);
      }
    }
    return new ModelTraits(
        has, lacks, contextLength == UNKNOWN_LENGTH ? others.contextLength : contextLength);
  }

  private boolean knows(Capability capability) {
    return capabilities.contains(capability) || lacking.contains(capability);
  }
}
