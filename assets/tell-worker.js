/* Notices for pages that may not show them themselves, as on phones: what a touch of one does. tell.js shows them. */
self.addEventListener("notificationclick", (event) => {
  const { notification } = event;
  notification.close();
  const act = async () => {
    const [page] = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
    if (!page) return self.clients.openWindow(notification.data);
    page.postMessage({ go: notification.data });
    return page.focus();
  };
  event.waitUntil(act());
});
