// The image that the lab's services run in: made from this source tree when its inputs changed.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/signals.hh"
#include "lab/docker_api.hh"

namespace tl {

struct ImageRequest {
  std::filesystem::path source_root;             // with docker/Dockerfile
  std::filesystem::path log;                     // output of the build is appended here
  std::function<void(const std::string&)> note;  // hears what takes long
};

// The source tree that this program was built from.
std::filesystem::path source_root();

// "trafficlab:" and 16 hexadecimal digits of the hash of every file that goes into the image.
// Throws MachineError when the tree is not there.
std::string image_name(const std::filesystem::path& source_root);

// The name of an image that is there: TRAFFICLAB_IMAGE of the environment as it is, else
// image_name(), built when the engine does not have it yet. Two runs never build the same twice.
// Throws MachineError (with the line of the build that failed) and Interrupted.
std::string ensure_image(DockerApi& api, const ImageRequest& request, StopSignals& stop);

}  // namespace tl
