// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.config;

import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** One file being read: its name for messages, the variables it may name, what was passed over. */
final class ConfigFile {
  private static final long MOST_BYTES = 1024 * 1024;

  private final String name;
  private final Map<String, String> environment;
  private final List<String> notHonoured = new ArrayList<>();

  private ConfigFile(String name, Map<String, String> environment) {
    this.name = name;
    this.environment = environment;
  }

  /** The whole document. */
  static Setting read(Path path, Map<String, String> environment) {
    Path last = path.getFileName();
    ConfigFile file = new ConfigFile(last == null ? path.toString() : last.toString(), environment);
    return new Setting(file, "", new Tree.Item(1, file.parse(file.text(path))));
  }

  private String text(Path path) {
    try {
      if (Files.size(path) > MOST_BYTES) {
        throw new IllegalArgumentException(name + " must be of at most 1 MiB, was larger");
      }
      String text = Files.readString(path);
      return text.startsWith("\ufeff") ? text.substring(1) : text;
    } catch (CharacterCodingException e) {
      throw new IllegalArgumentException(name + " must be UTF-8, was not", e);
    } catch (IOException e) {
      throw new IllegalArgumentException(
          name + " must be a file that can be read, was '" + path + "'", e);
    }
  }

  private Tree parse(String text) {
    try {
      return YamlReader.read(name, text);
    } catch (NoClassDefFoundError e) {
      throw new IllegalStateException(
          "org.yaml:snakeyaml must be on the class path to read "
              + name
              + ", was not; add that dependency, version 2.5 or later",
          e);
    }
  }

  String name() {
    return name;
  }

  @Nullable String variable(String variable) {
    return environment.get(variable);
  }

  void passOver(String path) {
    notHonoured.add(path);
  }

  /** The paths of what LiteLLM knows and Offmeter does not heed. */
  List<String> notHonoured() {
    return notHonoured;
  }
}
