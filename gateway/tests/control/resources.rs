//! What do the tests configure?

use std::sync::Arc;

use bytes::Bytes;
use plan::{Object, Objects, ResourceKey};

/// An open API served at `/NAME/1.0.0` by a backend on `port`.
pub(crate) fn api(name: &str, port: u16) -> String {
    format!(
        r#"apiVersion: turnpike/v1
kind: Api
metadata: {{ name: {name}, version: "1.0.0" }}
spec:
  context: /{name}
  lifecycle: PUBLISHED
  security: {{ schemes: [none] }}
  endpoints: {{ production: {{ urls: ["http://127.0.0.1:{port}"] }} }}
"#
    )
}

/// The objects that YAML texts describe.
pub(crate) fn objects<T: AsRef<str>>(texts: &[T]) -> Vec<Arc<Object>> {
    let read = |text: &T| {
        let (resources, problems) = plan::read_document(text.as_ref(), "test.yaml");
        assert!(problems.is_empty(), "{problems:?}");
        resources.into_iter().map(|one| Arc::new(Object::new(one).expect("a key")))
    };
    texts.iter().flat_map(read).collect()
}

/// An object whose bytes are no resource.
pub(crate) fn garbage(key: &str) -> Arc<Object> {
    let key: ResourceKey = key.parse().expect("a key");
    Arc::new(Object::from_wire(key, Bytes::from_static(b"\xff\xff\xff")))
}

/// Exactly these objects.
pub(crate) fn set(objects: &[Arc<Object>]) -> Objects {
    let mut set = Objects::new();
    set.apply(objects.iter().cloned(), &[]);
    set
}
